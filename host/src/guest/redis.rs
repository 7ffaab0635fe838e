//! `spin:redis/redis`: translation only.
//!
//! Each `open` makes its own TCP connection, and nested replies become one flat list, as in Spin. One difference to
//! Spin: Nagle's algorithm is off here, so that concurrent commands on one connection do not wait for each other's
//! replies.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo as _, RedisError, ServerErrorKind, Value};
use wasmtime::component::{Accessor, HasSelf, Resource};

use super::Guest;
use super::bindings::spin::redis::redis::{
    Error, Host, HostConnection, HostConnectionWithStore, Payload, RedisParameter, RedisResult,
};

impl Host for Guest {}

impl HostConnection for Guest {
    async fn drop(&mut self, connection: Resource<MultiplexedConnection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl<T: Send> HostConnectionWithStore<T> for HasSelf<Guest> {
    async fn open(accessor: &Accessor<T, Self>, address: String) -> Result<Resource<MultiplexedConnection>, Error> {
        let grants = accessor.with(|mut access| access.get().component.grants.clone());
        if !grants.allow(&address, "redis") {
            return Err(Error::InvalidAddress);
        }
        let connection = connect(&address).await?;
        accessor.with(|mut access| access.get().table.push(connection)).map_err(|_| Error::TooManyConnections)
    }

    async fn publish(
        accessor: &Accessor<T, Self>,
        connection: Resource<MultiplexedConnection>,
        channel: String,
        payload: Payload,
    ) -> Result<(), Error> {
        query::<T, Value>(accessor, &connection, redis::cmd("PUBLISH").arg(channel).arg(payload)).await.map(drop)
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        connection: Resource<MultiplexedConnection>,
        key: String,
    ) -> Result<Option<Payload>, Error> {
        query(accessor, &connection, redis::cmd("GET").arg(key)).await
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        connection: Resource<MultiplexedConnection>,
        key: String,
        value: Payload,
    ) -> Result<(), Error> {
        query::<T, Value>(accessor, &connection, redis::cmd("SET").arg(key).arg(value)).await.map(drop)
    }

    async fn incr(
        accessor: &Accessor<T, Self>,
        connection: Resource<MultiplexedConnection>,
        key: String,
    ) -> Result<i64, Error> {
        query(accessor, &connection, redis::cmd("INCRBY").arg(key).arg(1)).await
    }

    async fn del(
        accessor: &Accessor<T, Self>,
        connection: Resource<MultiplexedConnection>,
        keys: Vec<String>,
    ) -> Result<u32, Error> {
        query(accessor, &connection, redis::cmd("DEL").arg(keys)).await
    }

    async fn sadd(
        accessor: &Accessor<T, Self>,
        connection: Resource<MultiplexedConnection>,
        key: String,
        values: Vec<String>,
    ) -> Result<u32, Error> {
        query(accessor, &connection, redis::cmd("SADD").arg(key).arg(values)).await
    }

    async fn smembers(
        accessor: &Accessor<T, Self>,
        connection: Resource<MultiplexedConnection>,
        key: String,
    ) -> Result<Vec<String>, Error> {
        query(accessor, &connection, redis::cmd("SMEMBERS").arg(key)).await
    }

    async fn srem(
        accessor: &Accessor<T, Self>,
        connection: Resource<MultiplexedConnection>,
        key: String,
        values: Vec<String>,
    ) -> Result<u32, Error> {
        query(accessor, &connection, redis::cmd("SREM").arg(key).arg(values)).await
    }

    async fn execute(
        accessor: &Accessor<T, Self>,
        connection: Resource<MultiplexedConnection>,
        command: String,
        arguments: Vec<RedisParameter>,
    ) -> Result<Vec<RedisResult>, Error> {
        let mut command = redis::cmd(&command);
        for argument in arguments {
            match argument {
                RedisParameter::Int64(number) => command.arg(number),
                RedisParameter::Binary(bytes) => command.arg(bytes),
            };
        }
        let reply = query::<T, Value>(accessor, &connection, &command).await?;
        let mut flat = Vec::new();
        flatten(reply, &mut flat)?;
        Ok(flat)
    }
}

async fn connect(address: &str) -> Result<MultiplexedConnection, Error> {
    let info = address.into_connection_info().map_err(|_| Error::InvalidAddress)?;
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let client = Client::open(info.set_tcp_settings(tcp)).map_err(|_| Error::InvalidAddress)?;
    // No time limits, as in Spin: a command may block, and the guest can drop the call.
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(translate)
}

async fn query<T, R: redis::FromRedisValue>(
    accessor: &Accessor<T, HasSelf<Guest>>,
    connection: &Resource<MultiplexedConnection>,
    command: &redis::Cmd,
) -> Result<R, Error> {
    let connection = accessor.with(|mut access| access.get().table.get(connection).cloned());
    let mut connection = connection.map_err(|_| Error::Other("could not find connection for resource".to_owned()))?;
    command.query_async(&mut connection).await.map_err(translate)
}

/// Words a server's error as Spin does: Spin's client library uses other words than this one, and a component may look
/// at the code before the colon.
fn translate(error: RedisError) -> Error {
    let detail = error.detail().unwrap_or_default();
    Error::Other(match (error.kind(), error.code()) {
        (ErrorKind::Extension, Some(code)) => format!("{code}: {detail}"),
        (ErrorKind::Server(kind), _) => {
            let kind = match kind {
                ServerErrorKind::ExecAbort => "ExecAbortError".to_owned(),
                ServerErrorKind::BusyLoading => "BusyLoadingError".to_owned(),
                ServerErrorKind::NoScript => "NoScriptError".to_owned(),
                other => format!("{other:?}"),
            };
            format!("An error was signalled by the server - {kind}: {detail}")
        }
        _ => error.to_string(),
    })
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
        // Replies of the newer protocol. Spin does not pass them on either.
        other => return Err(Error::Other(format!("this kind of reply is not supported: {other:?}"))),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_replies_become_one_list() {
        let inner = Value::Array(vec![Value::Int(1), Value::Array(vec![Value::BulkString(b"a".to_vec())])]);
        let mut flat = Vec::new();
        flatten(Value::Array(vec![Value::Nil, inner, Value::Okay]), &mut flat).unwrap();
        assert!(matches!(
            flat.as_slice(),
            [RedisResult::Nil, RedisResult::Int64(1), RedisResult::Binary(_), RedisResult::Status(_)]
        ));
    }

    #[test]
    fn a_map_is_refused() {
        assert!(flatten(Value::Map(Vec::new()), &mut Vec::new()).is_err());
    }
}
