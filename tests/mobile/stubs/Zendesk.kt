// The parts of Zendesk's Android SDK that docs/mobile.md uses, with their published signatures.
package zendesk.android

class ZendeskUser

fun interface SuccessCallback<T> {
    fun onSuccess(value: T)
}

fun interface FailureCallback<E : Throwable> {
    fun onFailure(error: E)
}

fun interface ZendeskAuthenticationDelegate {
    fun onInvalidAuth(error: Throwable?, updateToken: (String) -> Unit)
}

class Zendesk private constructor() {
    fun loginUser(jwt: String, successCallback: SuccessCallback<ZendeskUser>, failureCallback: FailureCallback<Throwable>): Unit = TODO("$jwt$successCallback$failureCallback")

    fun logoutUser(successCallback: SuccessCallback<Unit>, failureCallback: FailureCallback<Throwable>): Unit = TODO("$successCallback$failureCallback")

    companion object {
        @JvmStatic
        val instance: Zendesk get() = Zendesk()

        @JvmStatic
        var authenticationDelegate: ZendeskAuthenticationDelegate? = null
    }
}
