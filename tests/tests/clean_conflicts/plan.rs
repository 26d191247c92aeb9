//! The default configuration, and how much one run may change.

use super::*;

#[tokio::test]
async fn the_default_configuration_reads_and_decides_and_changes_nothing() {
    let stack = Stack::start(&[]).await;
    stack.sunshine.add_user(holder());
    let id = stack.report(NEW, EMAIL).await;
    let report = stack.drain().await;
    assert_eq!(outcome(&report), ("planned", None), "{report}");
    assert_eq!(report["conflicts"][0]["conflictId"], id);
    assert_eq!(report["conflicts"][0]["remedy"], "release-email");
    assert_eq!(report["requests"], 2);
    stack.assert_untouched();
    assert_eq!(stack.aws.objects(BUCKET).await, [""; 0]);
}
