//! The declaration of a Lua script: what it is given and what it replies, by names and types.

/// Declares a script by its file below `src/`, as a type with a member for each key and each argument.
///
/// A call names every member, so no two can be confused: `LeaveScript { holder: &self.name }.run(redis).await?`. Members
/// are sent in the order of the declaration. Members are [`Parameter`](platform::redis::Parameter)s: a list is as many as
/// it has, and stands last. `by` reads the reply. `after flows` stands before a file that uses the functions of
/// `queue/flows.lua` or `queue/count.lua`. A script that is `composed` is put together while the program runs, and its calls name it.
///
/// The hash comes from `build.rs`. A test for each declaration compares it with the text, and the members with the
/// numbers of keys and arguments in the file.
macro_rules! script {
    ($(#[$meta:meta])* $name:ident $(<$life:lifetime>)? = $path:literal, $($rest:tt)*) => {
        script!(@parameters $(#[$meta])* $name [$($life)?] $($rest)*);
        script!(@run $name [$($life)?] $path, "", ".sha1", $($rest)*);
    };
    ($(#[$meta:meta])* $name:ident $(<$life:lifetime>)? = after flows $path:literal, $($rest:tt)*) => {
        script!(@parameters $(#[$meta])* $name [$($life)?] $($rest)*);
        script!(@run $name [$($life)?] $path, crate::queue::flows::BEFORE, ".after-flows.sha1", $($rest)*);
    };
    ($(#[$meta:meta])* $name:ident $(<$life:lifetime>)? = composed $path:literal, $($rest:tt)*) => {
        script!(@parameters $(#[$meta])* $name [$($life)?] $($rest)*);
        script!(@composed $name [$($life)?] $path, $($rest)*);
    };

    (@parameters $(#[$meta:meta])* $name:ident [$($life:lifetime)?]
        keys { $($key:ident: $key_type:ty),* $(,)? }
        args { $($arg:ident: $arg_type:ty),* $(,)? }
        reply $reply:ty, by $read:expr
    ) => {
        $(#[$meta])*
        struct $name $(<$life>)? {
            $($key: $key_type,)*
            $($arg: $arg_type,)*
        }

        impl $(<$life>)? $name $(<$life>)? {
            fn parameters(&self) -> platform::redis::Parameters {
                #[allow(unused_imports, reason = "a script may have no parameters")]
                use platform::redis::Parameter as _;
                #[allow(unused_mut, reason = "a script may have no parameters")]
                let mut all = platform::redis::Parameters::default();
                $(self.$key.add_to(&mut all.keys);)*
                $(self.$arg.add_to(&mut all.arguments);)*
                all
            }
        }
    };
    (@run $name:ident [$($life:lifetime)?] $path:literal, $before:expr, $hash:literal,
        keys { $($key:ident: $key_type:ty),* $(,)? }
        args { $($arg:ident: $arg_type:ty),* $(,)? }
        reply $reply:ty, by $read:expr
    ) => {
        impl $(<$life>)? $name $(<$life>)? {
            #[cfg(test)]
            const COUNTS: [Option<usize>; 2] = [
                platform::redis::total(&[$(<$key_type as platform::redis::Parameter>::COUNT),*]),
                platform::redis::total(&[$(<$arg_type as platform::redis::Parameter>::COUNT),*]),
            ];

            fn script() -> platform::redis::Script<'static> {
                platform::redis::Script {
                    hash: include_str!(concat!(env!("OUT_DIR"), "/", $path, $hash)),
                    before: $before,
                    own: include_str!(concat!(env!("OUT_DIR"), "/", $path)),
                }
            }

            async fn run(&self, redis: &platform::redis::Redis) -> Result<$reply, platform::Error> {
                let reply = redis.run(Self::script(), &|| self.parameters()).await?;
                let read: fn(Vec<spin_sdk::redis::RedisResult>) -> Option<$reply> = $read;
                read(reply).ok_or_else(|| platform::redis::unexpected($path))
            }
        }

        #[cfg(test)]
        #[test]
        #[allow(non_snake_case, reason = "the test of a declaration has its name")]
        fn $name() {
            crate::script::check($name::script(), $name::COUNTS);
        }
    };
    (@composed $name:ident [$($life:lifetime)?] $path:literal,
        keys { $($keys:tt)* }
        args { $($args:tt)* }
        reply $reply:ty, by $read:expr
    ) => {
        impl $(<$life>)? $name $(<$life>)? {
            async fn run(
                &self,
                redis: &platform::redis::Redis,
                script: &platform::redis::Composed,
            ) -> Result<$reply, platform::Error> {
                let reply = redis.run(script.script(), &|| self.parameters()).await?;
                let read: fn(Vec<spin_sdk::redis::RedisResult>) -> Option<$reply> = $read;
                read(reply).ok_or_else(|| platform::redis::unexpected($path))
            }
        }
    };
}

/// Compares a declaration with its file: the hash, and how many keys and arguments the file names.
#[cfg(test)]
pub(crate) fn check(script: platform::redis::Script<'_>, counts: [Option<usize>; 2]) {
    assert_eq!(platform::redis::Composed::new(script.text()).script().hash, script.hash);
    for (list, declared) in ["KEYS", "ARGV"].into_iter().zip(counts) {
        let Some(declared) = declared else { continue };
        let opening = format!("{list}[");
        let mut places = script.own.split(&opening).skip(1);
        let highest = places.try_fold(0, |highest, rest| {
            let place: Option<usize> = rest.split(']').next().unwrap_or_default().parse().ok();
            place.map(|place| place.max(highest))
        });
        // A file that counts them itself may use more than it names.
        let counts = script.own.contains(&format!("#{list}")) || script.own.contains(&format!("({list}"));
        if let Some(highest) = highest.filter(|_| !counts) {
            assert_eq!(highest, declared, "{list}: named and declared");
        }
    }
}
