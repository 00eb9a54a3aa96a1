//! Which instructions a kernel is compiled for, and the one place that enters such code.
//!
//! A kernel is a [`Job`]: a value with its operands and a `run` that is always inlined. The job is
//! compiled three times, inside three functions that differ in their target features only, so
//! there is one definition and no second one to keep in step. The bits agree because the jobs use
//! nothing that rounds differently: plain operations, `f64::mul_add` (fused on every path, in
//! software where the processor has no such instruction) and sums with a stated order.
#![expect(unsafe_code, reason = "entering code compiled for features that were detected")]

use std::sync::OnceLock;

/// A set of instructions that kernels are compiled for, from the poorest to the richest.
///
/// Results do not depend on it: it decides the speed, never the bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// What every processor of the target has; fused operations may run in software.
    Baseline,
    /// AVX2 and FMA, on x86-64.
    Avx2,
    /// AVX-512 (F, DQ, VL) and FMA, on x86-64.
    Avx512,
}

impl Level {
    /// Every level, the poorest first.
    pub const ALL: [Self; 3] = [Self::Baseline, Self::Avx2, Self::Avx512];

    /// The richest level of this processor; looked up once.
    pub fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(detect)
    }

    /// Whether this processor can run the level.
    pub fn is_available(self) -> bool {
        self <= Self::best()
    }

    /// The level that kernels of this thread run at.
    pub fn current() -> Self {
        #[cfg(test)]
        if let Some(forced) = FORCED.get() {
            return forced.min(Self::best());
        }
        Self::best()
    }

    /// Runs `f` with the kernels of this thread at `self`, or at the best level below it.
    #[cfg(test)]
    pub(crate) fn force<T>(self, f: impl FnOnce() -> T) -> T {
        let before = FORCED.replace(Some(self));
        let result = f();
        FORCED.set(before);
        result
    }
}

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<Level>> = const { std::cell::Cell::new(None) };
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    use std::arch::is_x86_feature_detected as has;
    let avx2 = has!("avx2") && has!("fma");
    if avx2 && has!("avx512f") && has!("avx512dq") && has!("avx512vl") {
        Level::Avx512
    } else if avx2 {
        Level::Avx2
    } else {
        Level::Baseline
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Baseline
}

/// A kernel with its operands.
///
/// Implementations mark `run`, and whatever it calls in a loop, `#[inline(always)]`: only what is
/// inlined is compiled for the level. `V` is what eight lanes are at this level.
pub(super) trait Job: Sized {
    /// What the kernel returns.
    type Output;
    /// Does the work.
    fn run<V: Vector>(self) -> Self::Output;
}

/// Eight f64 lanes: the operations that kernels are written with, exact or correctly rounded each,
/// so that they have the same bits at every level.
pub(super) trait Vector: Copy {
    /// Whether 32 registers hold these lanes; may choose how much is kept in registers, never an
    /// order of summation.
    const WIDE: bool;
    /// The same number in every lane.
    fn splat(x: f64) -> Self;
    /// Eight numbers.
    fn load(x: &[f64; 8]) -> Self;
    /// Eight numbers, widened.
    fn load_f32(x: &[f32; 8]) -> Self;
    /// Writes the lanes.
    fn store(self, to: &mut [f64; 8]);
    /// `self·b + c`, rounded once.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// Asks for the cache line `bytes` after the start of `from`; nothing if that is nowhere.
    fn prefetch<T>(from: &[T], bytes: usize);
    /// The sum of the lanes: `((0+4) + (2+6)) + ((1+5) + (3+7))`.
    fn sum(self) -> f64;
}

/// The lanes as plain Rust, which is also what the others are tested against.
#[derive(Clone, Copy)]
struct Plain([f64; 8]);

impl Vector for Plain {
    const WIDE: bool = false;
    #[inline(always)]
    fn splat(x: f64) -> Self {
        Self([x; 8])
    }
    #[inline(always)]
    fn load(x: &[f64; 8]) -> Self {
        Self(*x)
    }
    #[inline(always)]
    fn load_f32(x: &[f32; 8]) -> Self {
        Self(x.map(f64::from))
    }
    #[inline(always)]
    fn store(self, to: &mut [f64; 8]) {
        *to = self.0;
    }
    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        let mut lanes = c.0;
        for l in 0..8 {
            lanes[l] = self.0[l].mul_add(b.0[l], lanes[l]);
        }
        Self(lanes)
    }
    #[inline(always)]
    fn prefetch<T>(_: &[T], _: usize) {}
    #[inline(always)]
    fn sum(self) -> f64 {
        let a = self.0;
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
}

/// Runs a job at the level of this thread.
#[inline]
pub(super) fn dispatch<J: Job>(job: J) -> J::Output {
    match Level::current() {
        // SAFETY: `current` is at most `best`, so the features of each level below were detected
        // on this processor before its function is entered.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::run_avx512(job) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::run_avx2(job) },
        _ => run_baseline(job),
    }
}

#[inline(never)]
fn run_baseline<J: Job>(job: J) -> J::Output {
    job.run::<Plain>()
}

/// The lanes in x86-64 registers.
///
/// Arrays alone were tried first: the compiler paired lanes of different rows and shuffled more
/// than it multiplied (30 ns for loss and gradient of a row of 100 in cache, 22 with these types).
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Job, Vector};
    use std::arch::x86_64::*;

    // In this module the types below are named in these two functions only, and nowhere else: a
    // job that is given one of them runs inside a function with the features it needs. Every
    // SAFETY comment of the module stands on that.

    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
    pub(super) fn run_avx512<J: Job>(job: J) -> J::Output {
        job.run::<One>()
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn run_avx2<J: Job>(job: J) -> J::Output {
        job.run::<Two>()
    }

    /// One register of eight.
    #[derive(Clone, Copy)]
    struct One(__m512d);

    impl Vector for One {
        const WIDE: bool = true;
        #[inline(always)]
        fn splat(x: f64) -> Self {
            // SAFETY: AVX-512 is there, see the head of the module.
            Self(unsafe { _mm512_set1_pd(x) })
        }
        #[inline(always)]
        fn load(x: &[f64; 8]) -> Self {
            // SAFETY: as above; the reference covers the 64 bytes that are read.
            Self(unsafe { _mm512_loadu_pd(x.as_ptr()) })
        }
        #[inline(always)]
        fn load_f32(x: &[f32; 8]) -> Self {
            // SAFETY: as above; the reference covers the 32 bytes that are read.
            Self(unsafe { _mm512_cvtps_pd(_mm256_loadu_ps(x.as_ptr())) })
        }
        #[inline(always)]
        fn store(self, to: &mut [f64; 8]) {
            // SAFETY: as above; the reference covers the 64 bytes that are written.
            unsafe { _mm512_storeu_pd(to.as_mut_ptr(), self.0) }
        }
        #[inline(always)]
        fn mul_add(self, b: Self, c: Self) -> Self {
            // SAFETY: AVX-512 is there, see the head of the module.
            Self(unsafe { _mm512_fmadd_pd(self.0, b.0, c.0) })
        }
        #[inline(always)]
        fn prefetch<T>(from: &[T], bytes: usize) {
            prefetch(from.as_ptr().wrapping_byte_add(bytes));
        }
        #[inline(always)]
        fn sum(self) -> f64 {
            // SAFETY: AVX-512 and AVX2 are there, see the head of the module.
            unsafe {
                let low = _mm512_castpd512_pd256(self.0);
                sum4(_mm256_add_pd(low, _mm512_extractf64x4_pd::<1>(self.0)))
            }
        }
    }

    /// Two registers of four.
    #[derive(Clone, Copy)]
    struct Two(__m256d, __m256d);

    impl Vector for Two {
        const WIDE: bool = false;
        #[inline(always)]
        fn splat(x: f64) -> Self {
            // SAFETY: AVX2 is there, see the head of the module.
            let x = unsafe { _mm256_set1_pd(x) };
            Self(x, x)
        }
        #[inline(always)]
        fn load(x: &[f64; 8]) -> Self {
            let (low, high) = x.split_at(4);
            // SAFETY: as above; the two halves cover 32 bytes each.
            unsafe { Self(_mm256_loadu_pd(low.as_ptr()), _mm256_loadu_pd(high.as_ptr())) }
        }
        #[inline(always)]
        fn load_f32(x: &[f32; 8]) -> Self {
            let (low, high) = x.split_at(4);
            // SAFETY: as above; the two halves cover 16 bytes each.
            unsafe {
                let (low, high) = (_mm_loadu_ps(low.as_ptr()), _mm_loadu_ps(high.as_ptr()));
                Self(_mm256_cvtps_pd(low), _mm256_cvtps_pd(high))
            }
        }
        #[inline(always)]
        fn store(self, to: &mut [f64; 8]) {
            let (low, high) = to.split_at_mut(4);
            // SAFETY: as above; the two halves cover 32 bytes each.
            unsafe {
                _mm256_storeu_pd(low.as_mut_ptr(), self.0);
                _mm256_storeu_pd(high.as_mut_ptr(), self.1);
            }
        }
        #[inline(always)]
        fn mul_add(self, b: Self, c: Self) -> Self {
            // SAFETY: FMA is there, see the head of the module.
            unsafe { Self(_mm256_fmadd_pd(self.0, b.0, c.0), _mm256_fmadd_pd(self.1, b.1, c.1)) }
        }
        #[inline(always)]
        fn prefetch<T>(from: &[T], bytes: usize) {
            prefetch(from.as_ptr().wrapping_byte_add(bytes));
        }
        #[inline(always)]
        fn sum(self) -> f64 {
            // SAFETY: AVX2 is there, see the head of the module.
            unsafe { sum4(_mm256_add_pd(self.0, self.1)) }
        }
    }

    #[inline(always)]
    fn prefetch<T>(address: *const T) {
        // SAFETY: every x86-64 processor has SSE; a prefetch of any address reads nothing into the
        // program and does not fault.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }

    /// `(0+2) + (1+3)`.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2.
    #[inline(always)]
    unsafe fn sum4(x: __m256d) -> f64 {
        // SAFETY: AVX2 is there by the contract.
        unsafe {
            let pair = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
            _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forced_level_is_left_again_and_never_exceeds_the_processor() {
        let inside = Level::Avx512.force(Level::current);
        assert!(inside.is_available());
        assert_eq!(Level::Baseline.force(Level::current), Level::Baseline);
        assert_eq!(Level::current(), Level::best());
    }
}
