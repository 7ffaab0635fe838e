//! SHA-256, and bytes as hexadecimal digits.

use sha2::{Digest as _, Sha256};

pub use domain::hex;

/// SHA-256.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The length of all pieces together, bytes, and their SHA-256.
pub fn measure<T: AsRef<[u8]>>(pieces: impl IntoIterator<Item = T>) -> (usize, [u8; 32]) {
    let (mut length, mut hash) = (0, Sha256::new());
    for piece in pieces {
        length += piece.as_ref().len();
        hash.update(piece);
    }
    (length, hash.finalize().into())
}

/// A SHA-256 of bytes that come one after the other.
#[derive(Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all of them.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha_256() {
        // FIPS 180-2, example B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&digest(b"abc")), expected);
    }
}
