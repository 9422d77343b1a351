//! Times of memberships that were never set.

use proto::identity::v1;

use super::{World, fresh, member, of_account};

#[tokio::test]
async fn the_zero_time_of_a_language_is_no_time_of_a_membership() {
    let mut world = World::open().await;
    let account = world.account("account=a1").await;
    let customer = world.customer("user_id=u1").await;
    let zero = Some(prost_types::Timestamp {
        seconds: *proto::convert::SECONDS.start(),
        nanos: 0,
    });
    let request = v1::PutMembershipRequest {
        valid_from: zero,
        valid_to: zero,
        ..member(&customer, &account, "admin")
    };
    let said = world.accounts.put_membership(request).await;
    let said = said.expect("said").into_inner().membership;
    let said = said.expect("a membership");
    let begin = said.valid_from.expect("it begins").seconds;
    assert!(begin > 0, "it begins now, and not at {begin}");
    assert_eq!(said.valid_to, None);
    let request = v1::ListMembersRequest {
        at: zero,
        ..of_account(&account)
    };
    let found = world.accounts.list_members(request).await;
    let found = found.expect("members").into_inner().memberships;
    assert_eq!(found.len(), 1, "they are listed as of now");
    let request = v1::EndMembershipRequest {
        request_id: fresh(),
        membership_id: said.membership_id,
        end_time: zero,
    };
    let ended = world.accounts.end_membership(request).await;
    let ended = ended.expect("ended").into_inner().membership;
    let end = ended.and_then(|it| it.valid_to).expect("it ends").seconds;
    assert!(end >= begin, "it ends now, and not at {end}");
    assert!(world.members(&account).await.is_empty());
}
