//! Texts, and the domains that somebody registered.

use super::*;

#[test]
fn the_registrable_part_is_found_in_hosts_pages_and_mail_addresses() {
    for (text, expected) in [
        // Hosts, in whatever writing.
        ("example.com", "example.com"),
        ("WWW.Example.COM", "example.com"),
        (" www.example.com. ", "example.com"),
        ("a.b.c.example.co.uk", "example.co.uk"),
        ("my_shop.example.com", "example.com"),
        ("example.com:443", "example.com"),
        ("example.com:", "example.com"),
        ("\u{200b}exam\u{ad}ple.com\u{feff}", "example.com"),
        // Pages.
        ("https://www.example.com/a?b=c#d", "example.com"),
        ("http://ada:secret@shop.example.com:8080/", "example.com"),
        ("//cdn.example.com/x", "example.com"),
        ("example.com/@ada", "example.com"),
        (
            "www.example.com/login?next=https://other.org",
            "example.com",
        ),
        ("HTTPS://EXAMPLE.COM", "example.com"),
        ("https://example.com\\@other.org", "example.com"),
        // Mail addresses.
        ("ada@mail.example.com", "example.com"),
        ("mailto:ada@example.com?subject=x", "example.com"),
        // Names in other scripts, written either way.
        ("www.müller.de", "xn--mller-kva.de"),
        ("MÜLLER.de", "xn--mller-kva.de"),
        ("xn--mller-kva.de", "xn--mller-kva.de"),
        ("shop。example。com", "example.com"),
        ("ｅｘａｍｐｌｅ.com", "example.com"),
        ("www.食狮.公司.cn", "xn--85x722f.xn--55qx5d.cn"),
        ("www.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"),
        // Suffixes of firms that let others have names below are suffixes.
        ("ada.github.io", "ada.github.io"),
        ("x.ada.github.io", "ada.github.io"),
        ("shop.myshopify.com", "shop.myshopify.com"),
        // Exceptions of the list.
        ("www.city.kawasaki.jp", "city.kawasaki.jp"),
        ("a.b.ide.kyoto.jp", "b.ide.kyoto.jp"),
    ] {
        assert_eq!(registrable(text).as_deref(), Ok(expected), "{text:?}");
        assert_eq!(registrable(expected).as_deref(), Ok(expected), "again");
    }
}

#[test]
fn a_text_without_a_registrable_domain_says_why() {
    use NoDomain::{IpAddress, NoHost, PublicSuffix, UnknownSuffix};
    let long = format!("{}.com", "a.".repeat(130));
    let longer = "a".repeat(3_000);
    for (text, expected) in [
        ("", NoHost),
        ("   ", NoHost),
        (".", NoHost),
        ("@", NoHost),
        ("https://", NoHost),
        ("..com", NoHost),
        ("example..com", NoHost),
        ("example.com..", NoHost),
        ("exa mple.com", NoHost),
        ("example.com\u{0}", NoHost),
        ("a_b.com", NoHost),
        ("-acme.com", NoHost),
        ("acme-.com", NoHost),
        ("example.com:https", NoHost),
        ("a:b:c", NoHost),
        ("acme%2ecom", NoHost),
        ("xn--a.com", NoHost),
        (long.as_str(), NoHost),
        (longer.as_str(), NoHost),
        ("127.0.0.1", IpAddress),
        ("http://10.0.0.1:80/x", IpAddress),
        ("ada@[192.168.0.1]", IpAddress),
        ("2001:db8::1", IpAddress),
        ("http://[2001:db8::1]:80/", IpAddress),
        ("0x7f.0x1", IpAddress),
        ("12345", IpAddress),
        ("com", PublicSuffix),
        ("co.uk", PublicSuffix),
        ("github.io", PublicSuffix),
        ("https://myshopify.com/", PublicSuffix),
        ("公司.cn", PublicSuffix),
        ("x.ck", PublicSuffix),
        ("localhost", UnknownSuffix),
        ("acme", UnknownSuffix),
        ("mail.acme.local", UnknownSuffix),
        ("acme.example", UnknownSuffix),
    ] {
        assert_eq!(registrable(text), Err(expected), "{text:?}");
    }
}

#[test]
fn an_address_has_the_domain_behind_its_last_sign() {
    assert_eq!(domain_of("ada@example.com").as_deref(), Ok("example.com"));
    let odd = domain_of("\"a/b@c\"@mail.example.co.uk");
    assert_eq!(odd.as_deref(), Ok("example.co.uk"));
    assert_eq!(domain_of("example.com"), Err(NoDomain::NoHost));
}

#[test]
fn a_reason_says_what_would_do() {
    let said = |text: &str| registrable(text).expect_err("no domain").to_string();
    assert_eq!(
        said("github.io"),
        "it is a public suffix, not a domain of one owner: expected one label more"
    );
    assert_eq!(
        said("acme.local"),
        "it ends in no public suffix: expected a domain of the Internet"
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_taken_or_refused_and_what_is_taken_stays_as_it_is(text in "\\PC{0,40}") {
        if let Ok(domain) = registrable(&text) {
            proptest::prop_assert!(domain.is_ascii() && domain.contains('.'));
            proptest::prop_assert_eq!(registrable(&domain), Ok(domain));
        }
    }

    #[test]
    fn hosts_below_a_domain_and_ways_to_write_it_are_one(
        name in "[a-z][a-z0-9]{0,9}",
        below in "([a-z]{1,5}\\.){0,3}",
        suffix in proptest::sample::select(vec!["com", "de", "co.uk", "com.br", "github.io"]),
        port in 1_u16..,
    ) {
        let domain = format!("{name}.{suffix}");
        // Some such names are suffixes of the list themselves.
        if registrable(&domain).as_ref() == Ok(&domain) {
            let host = format!("{below}{domain}");
            for written in [
                host.to_uppercase(),
                format!("{host}."),
                format!("{host}:{port}"),
                format!("https://u@{host}:{port}/p?q=r@s.org"),
                format!("ada@{host}"),
            ] {
                // A host below may be a suffix of its own, as `blogspot.com` once was.
                if registrable(&host).as_ref() == Ok(&domain) {
                    proptest::prop_assert_eq!(registrable(&written), Ok(domain.clone()), "{}", written);
                }
            }
        }
    }
}
