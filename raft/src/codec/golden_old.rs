// Frozen: bytes that earlier versions wrote, included by `upgrade_tests.rs`. When the layout of a kind changes, its
// bytes come here from `golden.rs`, with the number of the version that wrote them, and stay for good.

/// Kind, version, bytes in hexadecimal, and who reads them: it asserts what they hold and gives a text of it.
type Old = (u8, u16, &'static str, fn(&[u8]) -> String);

const OLD: &[Old] = &[(
    13,
    1,
    "5472740d010031000000010000000000000001000000000000000100000000000000610300000000000000703a3101000000\
    000000006802000000ff354b31",
    |bytes| {
        let member = MemberRecord { node: 1, zone: "a".into(), peer: "p:1".into(), http: "h".into() };
        let expected =
            ControlState { members: vec![member.into()], feature_level: 2, next_node: 2, ..ControlState::default() };
        assert_eq!(decode::<ControlState>(bytes).unwrap(), expected);
        format!("{expected:?}")
    },
)];
