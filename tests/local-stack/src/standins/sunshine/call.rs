//! The calls of the API that are served.

/// A call that cleaning up needs, with the ids of its path.
pub(super) enum Call<'a> {
    CreateUser,
    ListUsers,
    GetUser(&'a str),
    UpdateUser(&'a str),
    DeleteUser(&'a str),
    DeletePersonalInformation(&'a str),
    SyncUser(&'a str),
    ListClients(&'a str),
    ListConversations,
    ListMessages(&'a str),
    /// `POST /v1.1/apps/{appId}/appusers/merge`.
    MergeUsers,
}

impl<'a> Call<'a> {
    pub(super) fn parse(version: &str, method: &str, path: &[&'a str]) -> Option<Self> {
        if version == "v1.1" {
            return ((method, path) == ("POST", &["appusers", "merge"]))
                .then_some(Self::MergeUsers);
        }
        Some(match (method, path) {
            ("POST", ["users"]) => Self::CreateUser,
            ("GET", ["users"]) => Self::ListUsers,
            ("GET", ["users", id]) => Self::GetUser(id),
            ("PATCH", ["users", id]) => Self::UpdateUser(id),
            ("DELETE", ["users", id]) => Self::DeleteUser(id),
            ("DELETE", ["users", id, "personalinformation"]) => Self::DeletePersonalInformation(id),
            ("POST", ["users", zendesk_id, "sync"]) => Self::SyncUser(zendesk_id),
            ("GET", ["users", id, "clients"]) => Self::ListClients(id),
            ("GET", ["conversations"]) => Self::ListConversations,
            ("GET", ["conversations", id, "messages"]) => Self::ListMessages(id),
            _ => return None,
        })
    }
}
