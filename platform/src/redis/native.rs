//! A connection to Redis without Spin, with the replies that Spin gives.
//!
//! Guarantee: a caller cannot tell it from Spin's: nested replies come back as one flat list, a refusal of the server is an
//! error, and nothing limits how long a command may take but the caller's own deadline.
//!
//! It belongs to the tokio runtime in which it was opened. Of one whose runtime has ended every command fails, and the
//! caller opens another.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo as _, Value};
use spin_sdk::redis::{Error, RedisParameter, RedisResult};

/// An open connection.
pub(super) struct Connection {
    address: String,
    open: MultiplexedConnection,
}

impl Connection {
    /// Opens a connection to the server at this address.
    ///
    /// # Errors
    /// When the address is none, or nobody answers there.
    pub(super) async fn open(address: &str) -> Result<Self, Error> {
        let info = address.into_connection_info().map_err(|_| Error::InvalidAddress)?;
        // Concurrent commands on one connection must not wait for each other's replies.
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let client = Client::open(info.set_tcp_settings(tcp)).map_err(|_| Error::InvalidAddress)?;
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let open = client.get_multiplexed_async_connection_with_config(&config).await.map_err(other)?;
        Ok(Connection { address: address.to_owned(), open })
    }

    /// Whether it was opened to this address.
    pub(super) fn is_to(&self, address: &str) -> bool {
        self.address == address
    }

    /// Runs a command.
    ///
    /// # Errors
    /// When the server refuses it, or the connection is broken.
    pub(super) async fn execute(
        &self,
        command: &str,
        arguments: impl IntoIterator<Item = RedisParameter>,
    ) -> Result<Vec<RedisResult>, Error> {
        let mut command = redis::cmd(command);
        for argument in arguments {
            match argument {
                RedisParameter::Int64(number) => command.arg(number),
                RedisParameter::Binary(bytes) => command.arg(bytes),
            };
        }
        let reply: Value = command.query_async(&mut self.open.clone()).await.map_err(other)?;
        let mut flat = Vec::new();
        flatten(reply, &mut flat)?;
        Ok(flat)
    }
}

fn other(error: redis::RedisError) -> Error {
    Error::Other(error.to_string())
}

fn flatten(value: Value, flat: &mut Vec<RedisResult>) -> Result<(), Error> {
    flat.push(match value {
        Value::Nil => RedisResult::Nil,
        Value::Int(number) => RedisResult::Int64(number),
        Value::Boolean(yes) => RedisResult::Int64(yes.into()),
        Value::BulkString(bytes) => RedisResult::Binary(bytes),
        Value::BigNumber(digits) => RedisResult::Binary(digits),
        Value::Double(number) => RedisResult::Binary(number.to_string().into_bytes()),
        Value::SimpleString(text) => RedisResult::Status(text),
        Value::Okay => RedisResult::Status("OK".to_owned()),
        Value::Array(values) | Value::Set(values) => {
            return values.into_iter().try_for_each(|value| flatten(value, flat));
        }
        Value::ServerError(error) => return Err(Error::Other(format!("{error:?}"))),
        // Replies of the newer protocol that Spin does not pass on either.
        _ => return Err(Error::Other("this kind of reply is not supported".to_owned())),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_replies_become_one_list_and_a_map_is_refused() {
        let inner = Value::Array(vec![Value::Int(1), Value::Array(vec![Value::BulkString(b"a".to_vec())])]);
        let mut flat = Vec::new();
        flatten(Value::Array(vec![Value::Nil, inner, Value::Okay]), &mut flat).unwrap();
        let [binary, status] = [RedisResult::Binary(b"a".to_vec()), RedisResult::Status("OK".to_owned())];
        assert_eq!(flat, [RedisResult::Nil, RedisResult::Int64(1), binary, status]);
        assert!(flatten(Value::Map(Vec::new()), &mut Vec::new()).is_err());
    }
}
