//! The loader.

use super::{Diagnostic, Loaded, SourceFile};

pub(super) fn load(_files: &[SourceFile]) -> Result<Loaded, Vec<Diagnostic>> {
    unimplemented!("the loader follows in the next commit")
}
