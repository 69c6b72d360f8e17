//! Events and trackers in the JSON of Rasa's HTTP API and action server protocol (Rasa 3.6).

mod domain;
mod parts;
mod read;
mod time;
mod write;
