//! Scripts: how the server knows them, what they are given, and how short replies are read.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::time::Duration;

use sha1::{Digest as _, Sha1};
use spin_sdk::redis::{RedisParameter, RedisResult};

use super::{integer, number, string, text};
use crate::digest::hex;

/// A script of this program: the hash by which the server knows it, and its text, which is needed only if the server
/// does not know it.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    /// SHA-1 of the whole text, hex.
    pub hash: &'a str,
    /// The part of the text that it shares with other scripts.
    pub before: &'a str,
    /// The rest.
    pub own: &'a str,
}

impl Script<'_> {
    /// The whole text.
    pub fn text(&self) -> String {
        [self.before, self.own].concat()
    }
}

/// A script whose text is put together while the program runs.
pub struct Composed {
    text: String,
    /// Counted when first needed: not every instance runs every script that it has.
    hash: OnceCell<String>,
}

impl Composed {
    /// A script of this text.
    pub fn new(text: String) -> Self {
        Composed { text, hash: OnceCell::new() }
    }

    /// The script.
    pub fn script(&self) -> Script<'_> {
        let hash = self.hash.get_or_init(|| hex(&Sha1::digest(&self.text)));
        Script { hash, before: "", own: &self.text }
    }
}

/// The keys and the arguments of a call, in their order.
#[derive(Debug, Default)]
pub struct Parameters {
    /// `KEYS`.
    pub keys: Vec<RedisParameter>,
    /// `ARGV`.
    pub arguments: Vec<RedisParameter>,
}

/// A key or an argument of a script, or several.
pub trait Parameter {
    /// Their number; none if it depends on the value.
    const COUNT: Option<usize> = Some(1);

    /// Adds it to the others.
    fn add_to(&self, into: &mut Vec<RedisParameter>);
}

impl<T: Parameter + ?Sized> Parameter for &T {
    const COUNT: Option<usize> = T::COUNT;

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        (**self).add_to(into);
    }
}

impl Parameter for str {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.push(text(self));
    }
}

impl Parameter for String {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.push(text(self));
    }
}

/// Bytes that need not be text.
impl Parameter for [u8] {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.push(RedisParameter::Binary(self.to_vec()));
    }
}

impl Parameter for Vec<u8> {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        self.as_slice().add_to(into);
    }
}

impl<const N: usize> Parameter for [u8; N] {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        self.as_slice().add_to(into);
    }
}

impl Parameter for i64 {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.push(number(*self));
    }
}

impl Parameter for u32 {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.push(number((*self).into()));
    }
}

impl Parameter for u64 {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.push(text(self.to_string()));
    }
}

impl Parameter for usize {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.push(text(self.to_string()));
    }
}

/// `1` or `0`.
impl Parameter for bool {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.push(text(if *self { "1" } else { "0" }));
    }
}

/// Whole milliseconds.
impl Parameter for Duration {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.push(super::millis(*self));
    }
}

/// A duration in whole seconds.
#[derive(Debug, Clone, Copy)]
pub struct Seconds(pub Duration);

impl Parameter for Seconds {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        self.0.as_secs().add_to(into);
    }
}

/// Nothing, or the value; only at the end.
impl<T: Parameter> Parameter for Option<T> {
    const COUNT: Option<usize> = None;

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        if let Some(value) = self {
            value.add_to(into);
        }
    }
}

impl<T: Parameter> Parameter for [T] {
    const COUNT: Option<usize> = None;

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.reserve(self.len() * T::COUNT.unwrap_or(1));
        self.iter().for_each(|one| one.add_to(into));
    }
}

impl<T: Parameter> Parameter for Vec<T> {
    const COUNT: Option<usize> = None;

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        self.as_slice().add_to(into);
    }
}

impl<K: Parameter, V: Parameter> Parameter for BTreeMap<K, V> {
    const COUNT: Option<usize> = None;

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        self.iter().for_each(|one| one.add_to(into));
    }
}

impl<T: Parameter, const N: usize> Parameter for [T; N] {
    const COUNT: Option<usize> = match T::COUNT {
        Some(count) => Some(N * count),
        None => None,
    };

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        self.as_slice().add_to(into);
    }
}

macro_rules! tuple {
    ($($name:ident)+) => {
        impl<$($name: Parameter),+> Parameter for ($($name,)+) {
            const COUNT: Option<usize> = total(&[$($name::COUNT),+]);

            #[allow(non_snake_case, reason = "each value has the name of its type")]
            fn add_to(&self, into: &mut Vec<RedisParameter>) {
                let ($($name,)+) = self;
                $($name.add_to(into);)+
            }
        }
    };
}

tuple!(A B);
tuple!(A B C);
tuple!(A B C D);

/// The sum of counts; none if one of them depends on its value.
pub const fn total(counts: &[Option<usize>]) -> Option<usize> {
    match counts {
        [] => Some(0),
        [first, rest @ ..] => match (*first, total(rest)) {
            (Some(first), Some(rest)) => Some(first + rest),
            _ => None,
        },
    }
}

/// Reads the reply of a script that tells nothing.
pub fn nothing(_: Vec<RedisResult>) -> Option<()> {
    Some(())
}

/// Reads a reply that is `1` or `0`.
pub fn whether(reply: Vec<RedisResult>) -> Option<bool> {
    match string(reply.first()?)?.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    }
}

/// Reads a reply that is a whole number.
pub fn whole<T: TryFrom<i64>>(reply: Vec<RedisResult>) -> Option<T> {
    T::try_from(integer(reply.first()?)?).ok()
}

/// Reads a reply that is one text.
pub fn one(reply: Vec<RedisResult>) -> Option<String> {
    string(reply.first()?)
}

/// A reply as it is: its caller reads it, because its form depends on the call.
pub fn flat(reply: Vec<RedisResult>) -> Option<Vec<RedisResult>> {
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_the_hash_that_the_server_gives_it() {
        // The answer to `SCRIPT LOAD 'return 1'`.
        let script = Composed::new("return 1".to_owned());
        assert_eq!(script.script().hash, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }

    #[test]
    fn parameters_are_flat_and_in_their_order() {
        let (mut into, all) = (Vec::new(), [("a", 1_u32), ("b", 2)]);
        all.add_to(&mut into);
        (Duration::from_secs(2), Seconds(Duration::from_secs(2))).add_to(&mut into);
        [true, false].add_to(&mut into);
        b"\xff".as_slice().add_to(&mut into);
        None::<String>.add_to(&mut into);
        let expected = [b"a".as_slice(), b"1", b"b", b"2", b"2000", b"2", b"1", b"0", b"\xff"];
        let bytes = |parameter: &RedisParameter| match parameter {
            RedisParameter::Binary(bytes) => bytes.clone(),
            RedisParameter::Int64(number) => number.to_string().into_bytes(),
        };
        assert_eq!(into.iter().map(bytes).collect::<Vec<_>>(), expected.map(<[u8]>::to_vec));
        assert_eq!((<[(&str, u32); 2]>::COUNT, <(bool, Vec<bool>)>::COUNT), (Some(4), None));
    }
}
