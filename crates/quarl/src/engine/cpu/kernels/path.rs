//! The instruction sets, and which of them a machine has.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Which instruction set the kernels use. Results are the same on every path; only the time differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CpuPath {
    /// AVX-512F: 16 floats a register.
    Avx512,
    /// AVX2 with FMA: 8 floats a register.
    Avx2,
    /// AArch64's NEON: 4 floats a register.
    Neon,
    /// Plain Rust without intrinsics; works everywhere. On x86-64 it uses the processor's fused multiply-add where there is
    /// one, and is some hundred times slower than AVX-512 where there is none.
    Scalar,
}

impl CpuPath {
    /// All paths, the fastest first.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Scalar];

    /// Its name, as `QUARL_CPU` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Scalar => "scalar",
        }
    }

    /// Whether this machine has it.
    pub fn is_available(self) -> bool {
        Implementation::from(self).is_available()
    }

    /// The paths that this machine has, the fastest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|path| path.is_available()).collect()
    }

    /// The path to use: what the environment variable `QUARL_CPU` names, else the fastest that the machine has.
    ///
    /// # Errors
    /// [`Error::CpuPath`] where the variable names no path, or one that this machine lacks.
    pub fn select() -> Result<Self, Error> {
        match std::env::var("QUARL_CPU") {
            Ok(wanted) if !wanted.is_empty() => Self::parse(&wanted),
            _ => Ok(Self::available()[0]),
        }
    }

    /// The path of this name, if this machine has it.
    ///
    /// # Errors
    /// As [`CpuPath::select`].
    pub fn parse(wanted: &str) -> Result<Self, Error> {
        let available = || Self::available().iter().map(|path| path.name()).collect::<Vec<_>>().join(", ");
        let error = |what: &str| Error::CpuPath {
            wanted: wanted.to_owned(),
            remedy: format!("{what}; this machine has {}", available()),
        };
        match Self::ALL.into_iter().find(|path| path.name() == wanted) {
            None => Err(error("no such path")),
            Some(path) if !path.is_available() => Err(error("this machine's processor lacks it")),
            Some(path) => Ok(path),
        }
    }
}

/// One compiled copy of the kernels: a path has one, the scalar path on x86-64 two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Implementation {
    Avx512,
    Avx2,
    Neon,
    /// The scalar path on an x86-64 processor with fused multiply-add: the same plain Rust, in which the compiler may use
    /// that instruction.
    ScalarFma,
    Scalar,
}

impl Implementation {
    /// All implementations that this machine can run, the fastest first.
    #[cfg(test)]
    pub(super) fn available() -> Vec<Self> {
        let all = [Self::Avx512, Self::Avx2, Self::Neon, Self::ScalarFma, Self::Scalar];
        all.into_iter().filter(|implementation| implementation.is_available()).collect()
    }

    /// Whether this machine can run it.
    pub(crate) fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::ScalarFma => is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            Self::Scalar => true,
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }
}

impl From<CpuPath> for Implementation {
    fn from(path: CpuPath) -> Self {
        match path {
            CpuPath::Avx512 => Self::Avx512,
            CpuPath::Avx2 => Self::Avx2,
            CpuPath::Neon => Self::Neon,
            CpuPath::Scalar if Self::ScalarFma.is_available() => Self::ScalarFma,
            CpuPath::Scalar => Self::Scalar,
        }
    }
}
