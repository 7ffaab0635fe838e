//! JSON as serde_json writes it, byte for byte, in less time.
//!
//! Most of what is stored and handed on is texts, and of these hardly one has something to be escaped. serde_json looks
//! at byte after byte of each and into a table; here a text is looked through in one go, which takes vector instructions,
//! and copied as it is. What is left, fractions and texts that are to be escaped, is serde_json's.
//!
//! Values that must have the same bytes at each writing depend on nothing else, so tests hold the two together.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::{self, Error as _};
use serde_json::Error;

/// Adds a record to what is written.
///
/// # Errors
/// As serde_json: where a map's keys are neither texts nor numbers, or the record refuses.
pub fn write(json: &mut Vec<u8>, record: &(impl Serialize + ?Sized)) -> Result<(), Error> {
    record.serialize(Json(json))
}

/// A document that can always be written; empty if not. It fails for maps whose keys are no texts, and no answer has any.
///
/// Every answer is written so: writers of all types by serde_json as well would be a good part of a component.
pub fn document(document: &(impl Serialize + ?Sized)) -> Vec<u8> {
    let mut json = Vec::with_capacity(256);
    match write(&mut json, document) {
        Ok(()) => json,
        Err(_) => Vec::new(),
    }
}

/// Reads a record from the bytes of JSON.
///
/// Every record is read from text: the readers of all types for bytes as well would be a good part of a component.
///
/// # Errors
/// As serde_json; bytes that are no UTF-8 are no JSON.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    serde_json::from_str(str::from_utf8(json).unwrap_or_default())
}

/// Whether a text stands in JSON as it is.
pub fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    text.bytes().fold(true, |plain, byte| plain & is_plain(byte))
}

/// The JSON that was written so far.
struct Json<'a>(&'a mut Vec<u8>);

impl<'a> Json<'a> {
    fn raw(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    fn by_serde_json(mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        self.raw(&serde_json::to_string(value)?);
        Ok(())
    }

    /// The name of a member or variant. None of ours has anything to be escaped.
    fn name(&mut self, name: &'static str) {
        debug_assert!(is_plain(name), "a member's name");
        self.0.reserve(name.len() + 4);
        self.raw("\"");
        self.raw(name);
        self.raw("\":");
    }

    /// A list or an object, and with what it closes.
    fn open(mut self, open: &'static str, close: &'static str) -> Members<'a> {
        self.raw(open);
        Members { json: self.0, first: true, close }
    }

    /// An object with one member, which is such a list or object itself.
    fn variant(mut self, name: &'static str, open: &'static str, close: &'static str) -> Members<'a> {
        self.raw("{");
        self.name(name);
        self.open(open, close)
    }
}

macro_rules! whole_numbers {
    ($($method:ident($number:ty),)*) => {
        $(fn $method(mut self, number: $number) -> Result<(), Error> {
            self.raw(itoa::Buffer::new().format(number));
            Ok(())
        })*
    };
}

impl<'a> ser::Serializer for Json<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Members<'a>;
    type SerializeTuple = Members<'a>;
    type SerializeTupleStruct = Members<'a>;
    type SerializeTupleVariant = Members<'a>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Members<'a>;

    whole_numbers! {
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
    }

    fn serialize_f32(self, number: f32) -> Result<(), Error> {
        self.by_serde_json(&number)
    }

    fn serialize_f64(mut self, number: f64) -> Result<(), Error> {
        let whole = number as i64;
        // Most scores are whole numbers. These have at most 15 digits, and -0 is not among them.
        if whole as f64 != number || whole.unsigned_abs() >= 1_000_000_000_000_000 || whole == 0 {
            return self.by_serde_json(&number);
        }
        self.raw(itoa::Buffer::new().format(whole));
        self.raw(".0");
        Ok(())
    }

    fn serialize_bool(mut self, flag: bool) -> Result<(), Error> {
        self.raw(if flag { "true" } else { "false" });
        Ok(())
    }

    fn serialize_char(self, one: char) -> Result<(), Error> {
        self.serialize_str(one.encode_utf8(&mut [0; 4]))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        bytes.serialize(self)
    }

    fn serialize_str(mut self, text: &str) -> Result<(), Error> {
        if !is_plain(text) {
            return self.by_serde_json(text);
        }
        self.0.reserve(text.len() + 2);
        self.raw("\"");
        self.raw(text);
        self.raw("\"");
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(mut self) -> Result<(), Error> {
        self.raw("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.raw("{");
        self.name(variant);
        value.serialize(Json(self.0))?;
        self.raw("}");
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'a>, Error> {
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Members<'a>, Error> {
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Members<'a>, Error> {
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'a>, Error> {
        Ok(self.variant(variant, "[", "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'a>, Error> {
        Ok(self.open("{", "}"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Members<'a>, Error> {
        debug_assert!(!name.starts_with('$'), "serde_json alone writes its raw values");
        Ok(self.open("{", "}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'a>, Error> {
        Ok(self.variant(variant, "{", "}}"))
    }
}

/// The members of a list or an object.
struct Members<'a> {
    json: &'a mut Vec<u8>,
    first: bool,
    close: &'static str,
}

impl Members<'_> {
    /// The writer of the next member.
    fn next(&mut self) -> Json<'_> {
        if !std::mem::take(&mut self.first) {
            self.json.push(b',');
        }
        Json(self.json)
    }

    fn element(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        value.serialize(self.next())
    }

    fn member(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let mut json = self.next();
        json.name(name);
        value.serialize(json)
    }

    fn close(self) -> Result<(), Error> {
        Json(self.json).raw(self.close);
        Ok(())
    }
}

macro_rules! elements {
    ($($kind:ident::$add:ident),*) => {
        $(impl ser::$kind for Members<'_> {
            type Ok = ();
            type Error = Error;

            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        })*
    };
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! members {
    ($($kind:ident),*) => {
        $(impl ser::$kind for Members<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
                self.member(name, value)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        })*
    };
}

members!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let json = self.next().0;
        let start = json.len();
        key.serialize(Json(json))?;
        match json.get(start) {
            Some(b'"') => {}
            Some(b'[' | b'{' | b'n') | None => return Err(Error::custom("key must be a string")),
            // Numbers and flags stand between quotes.
            Some(_) => {
                json.insert(start, b'"');
                json.push(b'"');
            }
        }
        json.push(b':');
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Json(self.json))
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

#[cfg(test)]
mod tests;
