//! Providers of mailboxes that anybody has: a domain of theirs says nothing of whom somebody works
//! for.
//!
//! Hosts of free mail, of access to the Internet, of addresses that forward, and of ones that last
//! for minutes.

/// Returns whether a registrable domain is one of a provider of mailboxes for anybody.
pub fn is_freemail(domain: &str) -> bool {
    FREEMAIL.binary_search(&domain).is_ok()
}

/// Sorted, each the registrable domain.
#[rustfmt::skip]
static FREEMAIL: &[&str] = &[
    "012.net.il", "10minutemail.com", "10minutemail.net", "126.com", "139.com", "163.com",
    "188.com", "189.cn", "20minutemail.com", "21cn.com", "33mail.com", "a1.net", "abv.bg",
    "accountant.com", "activist.com", "adinet.com.uy", "aim.com", "airmail.cc", "alice-dsl.net",
    "alice.de", "alice.it", "aliceadsl.fr", "aliyun.com", "ameritech.net", "amis.net",
    "anonaddy.com", "anonaddy.me", "anonbox.net", "aol.at", "aol.ch", "aol.co.uk", "aol.com",
    "aol.com.au", "aol.com.br", "aol.de", "aol.es", "aol.fr", "aol.it", "aol.jp", "aol.nl",
    "aon.at", "apollo.lv", "arcor.de", "armyspy.com", "arnet.com.ar", "asia.com", "atlas.cz",
    "att.net", "au.com", "autograf.pl", "autorambler.ru", "azet.sk", "bbox.fr", "bell.net",
    "bellsouth.net", "bezeqint.net", "bigfoot.com", "biglobe.ne.jp", "bigmir.net", "bigpond.com",
    "bigpond.net.au", "bk.ru", "blu.it", "bluewin.ch", "blueyonder.co.uk", "bol.com.br",
    "bredband.net", "broadpark.no", "btinternet.com", "btopenworld.com", "burnermail.io",
    "buziaczek.pl", "byom.de", "cableone.net", "caramail.com", "caramail.fr", "care2.com",
    "casema.nl", "cegetel.net", "centrum.cz", "centrum.sk", "centurylink.net", "charter.net",
    "cheerful.com", "chello.at", "chello.nl", "citromail.hu", "ciudad.com.ar", "clix.pt",
    "club-internet.fr", "cock.li", "cogeco.ca", "comcast.net", "comhem.se", "compuserve.com",
    "consultant.com", "contractor.net", "countermail.com", "cox.net", "crazymailing.com", "cs.com",
    "ctemplar.com", "cuvox.de", "daum.net", "dayrep.com", "deadaddress.com", "dir.bg",
    "directbox.com", "discard.email", "discardmail.com", "discardmail.de", "dispostable.com",
    "disroot.org", "docomo.ne.jp", "dodo.com.au", "dr.com", "dreamwiz.com", "dropmail.me",
    "duck.com", "earthlink.net", "eastlink.ca", "einrot.com", "eircom.net", "elisanet.fi",
    "email.com", "email.cz", "email.de", "email.it", "email.ro", "email.ua", "emailn.de",
    "emailondeck.com", "embarqmail.com", "empal.com", "engineer.com", "europe.com", "ewetel.net",
    "excite.co.jp", "excite.com", "ezweb.ne.jp", "fakeinbox.com", "fakemail.net", "fastmail.com",
    "fastmail.fm", "fastwebnet.it", "fibertel.com.ar", "firemail.de", "fleckens.hu", "forthnet.gr",
    "foxmail.com", "free.fr", "freemail.gr", "freemail.hu", "freenet.de", "freeserve.co.uk",
    "frisurf.no", "frontier.com", "frontiernet.net", "fsmail.net", "games.com", "gawab.com",
    "gazeta.pl", "getairmail.com", "getmail.no", "getnada.com", "giallo.it", "globo.com",
    "globomail.com", "gmail.com", "gmx.at", "gmx.biz", "gmx.ch", "gmx.co.uk", "gmx.com", "gmx.cz",
    "gmx.de", "gmx.es", "gmx.eu", "gmx.fr", "gmx.hk", "gmx.ie", "gmx.info", "gmx.it", "gmx.li",
    "gmx.net", "gmx.org", "gmx.pt", "gmx.se", "gmx.sg", "gmx.tm", "gmx.us", "go2.pl", "goo.jp",
    "googlemail.com", "grr.la", "guerrillamail.biz", "guerrillamail.com", "guerrillamail.de",
    "guerrillamail.net", "guerrillamail.org", "guerrillamailblock.com", "gustr.com", "hanmail.net",
    "hanmir.com", "harakirimail.com", "hetnet.nl", "hey.com", "hinet.net", "hispavista.com",
    "hispeed.ch", "home.nl", "home.ro", "home.se", "hot.ee", "hotbox.ru", "hotmail.at",
    "hotmail.be", "hotmail.ca", "hotmail.ch", "hotmail.cl", "hotmail.co.jp", "hotmail.co.nz",
    "hotmail.co.th", "hotmail.co.uk", "hotmail.co.za", "hotmail.com", "hotmail.com.ar",
    "hotmail.com.au", "hotmail.com.br", "hotmail.com.mx", "hotmail.com.tr",
    "hotmail.cz", "hotmail.de", "hotmail.dk", "hotmail.es", "hotmail.fi", "hotmail.fr",
    "hotmail.gr", "hotmail.hu", "hotmail.it", "hotmail.nl", "hotmail.no", "hotmail.rs",
    "hotmail.se", "hush.com", "hushmail.com", "i.ua", "iafrica.com", "icloud.com",
    "ig.com.br", "iinet.net.au", "in.com", "in.gr", "iname.com", "inbox.com", "inbox.eu",
    "inbox.lt", "inbox.lv", "inbox.ru", "inboxkitten.com", "indamail.hu", "indiatimes.com",
    "inet.bg", "infoseek.jp", "inode.at", "interia.eu", "interia.pl", "internet.ru",
    "inwind.it", "iol.it", "iol.pt", "jazzfree.com", "jetable.org",
    "jourrapide.com", "jubii.dk", "juno.com", "k.ro", "kabelmail.de", "kakao.com", "katamail.com",
    "keemail.me", "kolumbus.fi", "korea.com", "kpnmail.nl", "laposte.net", "latinmail.com",
    "lavabit.com", "lenta.ru", "libero.it", "libertysurf.fr", "linshiyouxiang.net", "list.ru",
    "live.at", "live.be", "live.ca", "live.cl", "live.cn", "live.co.kr", "live.co.uk", "live.co.za",
    "live.com", "live.com.ar", "live.com.au", "live.com.mx", "live.com.my", "live.com.ph",
    "live.com.pt", "live.com.sg", "live.de", "live.dk", "live.fi", "live.fr", "live.hk", "live.ie",
    "live.in", "live.it", "live.jp", "live.nl", "live.no", "live.ru", "live.se", "love.com",
    "luukku.com", "lycos.com", "lycos.de", "mac.com", "magenta.de", "mail-temp.com", "mail.bg",
    "mail.by", "mail.com", "mail.de", "mail.dk", "mail.ee", "mail.kz", "mail.pt", "mail.ru",
    "mail2world.com", "mailbox.org", "mailcatch.com", "maildrop.cc",
    "mailexpire.com", "mailfence.com", "mailinator.com", "mailnesia.com", "mailnull.com",
    "mailpoof.com", "mailsac.com", "maktoob.com", "me.com", "meta.ua", "mindspring.com",
    "mintemail.com", "minutemail.io", "moakt.com", "mohmal.com", "movistar.es", "mozmail.com",
    "msn.com", "mweb.co.za", "mynet.com", "myrambler.ru", "myself.com", "mytemp.email",
    "myyahoo.com", "nada.email", "nana10.co.il", "narod.ru", "nate.com", "naver.com", "net.hr",
    "netcabo.pt", "netcologne.de", "netscape.com", "netscape.net", "netvision.net.il",
    "netzero.com", "netzero.net", "neuf.fr", "nifty.com", "ntlworld.com", "numericable.fr",
    "o2.co.uk", "o2.pl", "o2mail.de", "o2online.de", "ocn.ne.jp", "ofir.dk", "oi.com.br", "one.ee",
    "one.lt", "one.lv", "onet.eu", "onet.pl", "online.de", "online.ee", "online.fr", "online.nl",
    "online.no", "online.ua", "ono.com", "op.pl", "optimum.net", "optonline.net", "optusnet.com.au",
    "orange.es", "orange.fr", "orange.net", "osnanet.de", "otenet.gr", "outlook.at", "outlook.be",
    "outlook.cl", "outlook.co.id", "outlook.co.nz", "outlook.co.th", "outlook.com",
    "outlook.com.ar", "outlook.com.au", "outlook.com.br", "outlook.com.gr", "outlook.com.tr",
    "outlook.com.vn", "outlook.cz", "outlook.de", "outlook.dk", "outlook.es", "outlook.fr",
    "outlook.hu", "outlook.ie", "outlook.in", "outlook.it", "outlook.jp", "outlook.kr",
    "outlook.lv", "outlook.my", "outlook.ph", "outlook.pt", "outlook.sa", "outlook.sg",
    "outlook.sk", "ozemail.com.au", "pacbell.net", "paran.com", "passport.com", "pchome.com.tw",
    "peoplepc.com", "planet.nl", "plus.com", "plusnet.com", "pm.me", "pobox.sk", "pochta.ru",
    "poczta.fm", "post.com", "post.cz", "poste.it", "posteo.de",
    "posteo.net", "prodigy.net", "prodigy.net.mx", "proton.me", "protonmail.ch",
    "protonmail.com", "proximus.be", "q.com", "qq.com", "quicknet.nl", "r7.com", "rambler.ru",
    "rediffmail.com", "rhyta.com", "riseup.net", "ro.ru", "roadrunner.com",
    "rocketmail.co.uk", "rocketmail.com", "rogers.com", "rr.com", "runbox.com", "safe-mail.net",
    "sapo.pt", "saunalahti.fi", "sbcglobal.net", "scarlet.be", "seed.net.tw", "seznam.cz", "sfr.fr",
    "sharklasers.com", "shaw.ca", "sify.com", "simplelogin.com", "sina.cn", "sina.com", "siol.net",
    "skiff.com", "sky.com", "skynet.be", "slingshot.co.nz", "so-net.ne.jp", "softbank.ne.jp",
    "sohu.com", "spam4.me", "spambox.us", "spamgourmet.com", "speedy.com.ar", "spoluzaci.cz",
    "spray.se", "startmail.com", "stofanet.dk", "suddenlink.net", "sunrise.ch", "suomi24.fi",
    "supanet.com", "supereva.it", "superonline.com", "superrito.com", "swbell.net", "swipnet.se",
    "sympatico.ca", "t-online.de", "t-online.hu", "takas.lt", "talktalk.net", "tdcadsl.dk",
    "techie.com", "tele2.nl", "tele2.se", "telefonica.net", "telenet.be", "teleworm.us",
    "telfort.nl", "telia.com", "telkomsa.net", "telus.net", "temp-mail.io", "temp-mail.org",
    "tempail.com", "tempinbox.com", "tempmail.com", "tempmail.de", "tempmail.net", "tempmailo.com",
    "tempr.email", "terra.com", "terra.com.br", "terra.es", "tesco.net", "throwawaymail.com",
    "tim.it", "tin.it", "tiscali.co.uk", "tiscali.it", "tlen.pl", "tom.com", "tpg.com.au",
    "trash-mail.com", "trashmail.com", "trashmail.de", "trashmail.net", "ttmail.com", "turk.net",
    "tut.by", "tuta.com", "tuta.io", "tutamail.com", "tutanota.com", "tutanota.de", "ukr.net",
    "unitybox.de", "uol.com.br", "upcmail.nl", "usa.com", "usa.net", "verizon.net", "versanet.de",
    "videotron.ca", "vipmail.hu", "virgilio.it", "virgin.net",
    "virginmedia.com", "vodafone.it", "vodafonemail.de", "vodamail.co.za", "voila.fr", "volny.cz",
    "voo.be", "vp.pl", "walla.co.il", "walla.com", "wanadoo.fr", "web.de", "webmail.co.za",
    "webtv.net", "wegwerfemail.de", "wegwerfmail.de", "wegwerfmail.net", "welho.com",
    "windowslive.com", "windstream.net", "wo.cn", "workmail.com", "wow.com", "wp.pl", "writeme.com",
    "xmail.ru", "xs4all.nl", "xtra.co.nz", "ya.ru", "yahoo.at", "yahoo.be", "yahoo.ca", "yahoo.ch",
    "yahoo.cl", "yahoo.cn", "yahoo.co.id", "yahoo.co.in", "yahoo.co.jp", "yahoo.co.kr",
    "yahoo.co.nz", "yahoo.co.th", "yahoo.co.uk", "yahoo.co.za", "yahoo.com", "yahoo.com.ar",
    "yahoo.com.au", "yahoo.com.br", "yahoo.com.cn", "yahoo.com.co", "yahoo.com.hk", "yahoo.com.mx",
    "yahoo.com.my", "yahoo.com.pe", "yahoo.com.ph", "yahoo.com.sg", "yahoo.com.tr", "yahoo.com.tw",
    "yahoo.com.ua", "yahoo.com.ve", "yahoo.com.vn", "yahoo.cz", "yahoo.de", "yahoo.dk", "yahoo.es",
    "yahoo.fi", "yahoo.fr", "yahoo.gr", "yahoo.hu", "yahoo.ie", "yahoo.in", "yahoo.it",
    "yahoo.ne.jp", "yahoo.nl", "yahoo.no", "yahoo.pl", "yahoo.pt", "yahoo.ro", "yahoo.se",
    "yandex.by", "yandex.com", "yandex.com.tr", "yandex.kz", "yandex.ru", "yandex.ua", "yeah.net",
    "ymail.com", "yopmail.com", "yopmail.fr", "yopmail.net", "ziggo.nl", "zipmail.com.br",
    "zoho.com", "zohomail.com", "zohomail.eu", "zohomail.in", "zonnet.nl", "zoznam.sk",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::registrable;

    #[test]
    fn the_list_is_sorted_and_each_entry_is_a_registrable_domain() {
        assert!(FREEMAIL.len() >= 150);
        assert!(FREEMAIL.is_sorted_by(|one, next| one < next));
        for domain in FREEMAIL {
            assert_eq!(registrable(domain).as_deref(), Ok(*domain));
        }
    }

    #[test]
    fn free_mailboxes_of_many_countries_are_known_and_those_of_firms_are_not() {
        for domain in [
            "gmail.com",
            "googlemail.com",
            "yahoo.co.jp",
            "hotmail.fr",
            "outlook.com",
            "live.nl",
            "icloud.com",
            "gmx.at",
            "web.de",
            "t-online.de",
            "laposte.net",
            "libero.it",
            "seznam.cz",
            "mail.ru",
            "yandex.ru",
            "qq.com",
            "163.com",
            "naver.com",
            "proton.me",
            "tutanota.com",
            "mailinator.com",
        ] {
            assert!(is_freemail(domain), "{domain}");
        }
        for domain in ["acme.com", "google.com", "microsoft.com", "com", ""] {
            assert!(!is_freemail(domain), "{domain}");
        }
    }
}
