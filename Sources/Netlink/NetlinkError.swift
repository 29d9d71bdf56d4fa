import Glibc

/// A failed kernel operation: what was tried on which object, and what the kernel said.
public struct NetlinkError: Error, Hashable, Sendable {
    /// What was tried, as a verb: `create device`, `add route`.
    public var operation: String
    /// The object it was tried on, in its own words: `10.0.17.0/28`, `outrider`; empty when there is none.
    public var object: String
    /// Positive errno of the kernel, or of the system call.
    public var code: Int32
    /// Extended acknowledgement of the kernel (NLMSGERR_ATTR_MSG), empty when it gave none.
    public var detail: String
    /// What the operator can do about it, empty when the error speaks for itself.
    public var advice: String

    public init(operation: String, object: String = "", code: Int32, detail: String = "", advice: String = "") {
        self.operation = operation
        self.object = object
        self.code = code
        self.detail = detail
        self.advice = advice
    }

    /// The object does not exist (any more): a deletion's goal is reached.
    public var isNotFound: Bool { [ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL, ENXIO].contains(code) }
    /// The object exists already.
    public var isExists: Bool { code == EEXIST }
    /// Somebody else uses the object or the address.
    public var isBusy: Bool { code == EBUSY || code == EADDRINUSE }
    /// The kernel changed while it was dumped, more often than the retries allow (NLM_F_DUMP_INTR).
    public var isInterrupted: Bool { code == EINTR || code == EAGAIN }
    /// The kernel dropped messages for this socket: nothing that was heard since the last dump can be trusted.
    public var isOverrun: Bool { code == ENOBUFS }
    /// The process lacks a capability.
    public var isPermission: Bool { code == EPERM || code == EACCES }
    /// A message was cut because the receive buffer was too small, even after growing.
    public var isTruncated: Bool { code == EMSGSIZE }
}

extension NetlinkError: CustomStringConvertible {
    public var description: String {
        let what = object.isEmpty ? operation : "\(operation) \(object)"
        let reason = unsafe String(cString: strerror(code))
        return "\(what): \(detail.isEmpty ? reason : "\(detail) (\(reason))")\(advice.isEmpty ? "" : "; \(advice)")"
    }
}

/// The value of a shim call, or its negative errno as an error.
func checked(
    _ result: Int32, _ operation: @autoclosure () -> String, _ object: @autoclosure () -> String = ""
) throws(NetlinkError) -> Int32 {
    guard result < 0 else { return result }
    throw NetlinkError(operation: operation(), object: object(), code: -result)
}
