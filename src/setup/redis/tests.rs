use super::*;

fn say_to(server: &Server, command: &str) -> String {
    server.access.ask(command).unwrap()
}

#[test]
fn a_started_server_is_configured_to_keep_its_promise() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), None).unwrap();
    assert!(server.url().ends_with(&format!("@127.0.0.1:{}", server.port())), "{server:?}");
    for (name, value) in
        [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction"), ("save", "")]
    {
        let answer = say_to(&server, &format!("CONFIG GET {name}"));
        assert_eq!(answer.lines().nth(4).unwrap(), value, "{answer}");
    }
}

#[test]
fn what_was_acknowledged_survives_a_clean_stop_and_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), None).unwrap();
    let (port, access) = (server.port(), server.access.clone());
    assert!(say_to(&server, "SET a 1").starts_with("+OK"));
    server.stop().unwrap();
    assert!(!server.is_running());
    assert!(access.ask("PING").is_err());

    server.restart().unwrap();
    assert_eq!(server.port(), port);
    assert!(say_to(&server, "SET b 2").starts_with("+OK"));
    server.kill().unwrap();
    assert!(access.ask("PING").is_err());

    server.restart().unwrap();
    assert!(say_to(&server, "MGET a b").contains("1\r\n$1\r\n2"));
}

#[test]
fn dropping_the_server_ends_it_and_frees_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(dir.path(), None).unwrap();
    let (port, access) = (first.port(), first.access.clone());
    drop(first);
    assert!(access.ask("PING").is_err());
    assert!(Server::start(dir.path(), Some(port)).is_ok());
}

#[test]
fn the_server_ends_when_its_owner_vanishes() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), None).unwrap();
    let access = server.access.clone();
    // A killed owner does nothing but close the pipe.
    let Running { mut keeper, signals, .. } = server.running.take().unwrap();
    drop(signals);
    assert!(keeper.wait().unwrap().success());
    assert!(access.ask("PING").is_err());
}

#[test]
fn a_server_left_over_is_stopped_before_the_next_one_starts() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), None).unwrap();
    let access = server.access.clone();
    assert!(say_to(&server, "SET a 1").starts_with("+OK"));
    // Owner and keeper end at the same time; the server does not.
    let mut running = server.running.take().unwrap();
    running.keeper.kill().unwrap();
    running.keeper.wait().unwrap();
    assert!(access.ask("PING").is_ok());
    drop(server);

    let next = Server::start(dir.path(), None).unwrap();
    assert!(access.ask("PING").is_err());
    assert!(say_to(&next, "GET a").starts_with("$1\r\n1\r\n"));
    drop(running);
}

#[test]
fn another_process_with_the_number_of_the_old_server_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("redis.pid"), std::process::id().to_string()).unwrap();
    stop_leftover(dir.path()).unwrap();
}

#[test]
fn a_taken_port_is_an_error_that_names_the_log() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let error = Server::start(dir.path(), Some(taken.local_addr().unwrap().port())).unwrap_err();
    assert!(format!("{error:#}").contains("redis.log"), "{error:#}");
}

#[test]
fn servers_started_side_by_side_do_not_meet() {
    let servers: Vec<_> = std::thread::scope(|scope| {
        let start = || {
            let dir = tempfile::tempdir().unwrap();
            (Server::start(dir.path(), None).unwrap(), dir)
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (number, (server, _)) in servers.iter().enumerate() {
        assert!(say_to(server, &format!("SET who {number}")).starts_with("+OK"));
    }
    for (number, (server, _)) in servers.iter().enumerate() {
        assert!(say_to(server, "GET who").contains(&number.to_string()));
    }
}

#[test]
fn nobody_gets_in_without_the_password_and_only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), None).unwrap();
    let stranger = Access { port: server.port(), password: "guess".to_owned() };
    assert!(stranger.ask("GET a").unwrap().contains("NOAUTH"));
    let configuration = server.configuration();
    assert!(fs::read_to_string(&configuration).unwrap().contains(&server.access.password));
    assert_eq!(fs::metadata(configuration).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!format!("{server:?}").contains(&server.access.password));
    let pid = fs::read_to_string(dir.path().join("redis.pid")).unwrap();
    let command = Command::new("ps").args(["-o", "args=", "-p", pid.trim()]).output().unwrap();
    assert!(!String::from_utf8_lossy(&command.stdout).contains(&server.access.password));
}
