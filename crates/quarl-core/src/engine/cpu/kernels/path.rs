//! The instruction sets, and their detection.

use crate::error::Error;

/// The instruction set that the kernels use. Results are the same on every path; only the speed differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuPath {
    /// AVX-512F: 16 floats per register.
    Avx512,
    /// AVX2 with FMA: 8 floats per register.
    Avx2,
    /// AArch64's NEON: 4 floats per register.
    Neon,
    /// Plain Rust without intrinsics, on every machine. On x86-64 it uses fused multiply-add where the processor has it;
    /// without that instruction it is about a hundred times slower than AVX-512.
    Scalar,
}

impl CpuPath {
    /// All paths, the fastest first.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Scalar];

    /// The name, as used in `QUARL_CPU`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Scalar => "scalar",
        }
    }

    /// Whether this machine supports it.
    pub fn is_available(self) -> bool {
        Implementation::from(self).is_available()
    }

    /// The paths that this machine supports, the fastest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|path| path.is_available()).collect()
    }

    /// The path to use: the one that the environment variable `QUARL_CPU` names, otherwise the fastest one of this machine.
    ///
    /// # Errors
    /// [`Error::CpuPath`] where the variable names an unknown path, or one that this machine does not support.
    pub fn select() -> Result<Self, Error> {
        match std::env::var("QUARL_CPU") {
            Ok(wanted) if !wanted.is_empty() => Self::parse(&wanted),
            _ => Ok(Self::available()[0]),
        }
    }

    /// The path with this name, if this machine supports it.
    ///
    /// # Errors
    /// Those of [`CpuPath::select`].
    pub fn parse(wanted: &str) -> Result<Self, Error> {
        let available = || Self::available().iter().map(|path| path.name()).collect::<Vec<_>>().join(", ");
        let error = |what: &str| Error::CpuPath {
            wanted: wanted.to_owned(),
            remedy: format!("{what}; choose one of {}", available()),
        };
        match Self::ALL.into_iter().find(|path| path.name() == wanted) {
            None => Err(error("there is no such instruction set")),
            Some(path) if !path.is_available() => Err(error("this machine's processor does not support it")),
            Some(path) => Ok(path),
        }
    }
}

/// A compiled copy of the kernels. Each path has one; the scalar path on x86-64 has two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Implementation {
    Avx512,
    Avx2,
    Neon,
    /// The scalar path on an x86-64 processor with fused multiply-add: the same plain Rust, compiled with that instruction.
    ScalarFma,
    Scalar,
}

impl Implementation {
    /// All implementations that this machine supports, the fastest first.
    #[cfg(test)]
    pub(super) fn available() -> Vec<Self> {
        let all = [Self::Avx512, Self::Avx2, Self::Neon, Self::ScalarFma, Self::Scalar];
        all.into_iter().filter(|implementation| implementation.is_available()).collect()
    }

    /// Whether this machine supports it.
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
