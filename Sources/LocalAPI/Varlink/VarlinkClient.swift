import CSystemShim
import Glibc

/// Why a call brought no reply.
public enum VarlinkClientError: Error, Hashable, Sendable {
    /// Nobody listens: the agent is not running, or `path` is not its socket.
    case unavailable(path: String, errno: Int32)
    /// The socket may be used by root and the configured group only.
    case permissionDenied(path: String)
    case timedOut(method: String, milliseconds: Int64)
    /// The other side closed the connection or does not speak Varlink.
    case broken(reason: String)
    /// The service's own error.
    case failed(VarlinkFailure)
}

/// A connection to a Varlink service, for programs that do one thing at a time: calls block.
public struct VarlinkClient: ~Copyable, Sendable {
    private let descriptor: Int32
    private var framing: VarlinkFraming
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)
    private var replies: [[UInt8]] = []
    private let limits: VarlinkLimits

    public init(path: String, limits: VarlinkLimits = VarlinkLimits(messageBytesMax: 64 << 20))
        throws(VarlinkClientError)
    {
        let result = unsafe outrider_unix_connect(path)
        if result == -EACCES || result == -EPERM { throw .permissionDenied(path: path) }
        guard result >= 0 else { throw .unavailable(path: path, errno: -result) }
        descriptor = result
        self.limits = limits
        framing = VarlinkFraming(bytesMax: limits.messageBytesMax)
        LocalSocket.setSendTimeout(result, seconds: limits.sendTimeoutSeconds)
    }

    deinit { LocalSocket.close(descriptor) }

    /// One call and its reply's parameters. `timeout` bounds the whole of it; nil waits for ever.
    public mutating func call(
        _ method: String, _ parameters: JSONValue = .object([:]), timeout: Duration? = nil
    ) throws(VarlinkClientError) -> JSONValue {
        try send(VarlinkCall(method: method, parameters: parameters))
        return try receive(method, timeout: timeout)
    }

    /// Sends ahead; take the replies in the same order with ``receive(_:timeout:)``.
    public func send(_ call: VarlinkCall) throws(VarlinkClientError) {
        let code = LocalSocket.send(call.json.encoded() + [0], to: descriptor)
        guard code == 0 else { throw .broken(reason: "send: errno \(code)") }
    }

    /// The next reply.
    public mutating func receive(
        _ method: String, timeout: Duration? = nil
    ) throws(VarlinkClientError) -> JSONValue {
        let allowed = timeout.map { $0.components.seconds * 1000 + $0.components.attoseconds / 1_000_000_000_000_000 }
        let end = allowed.map { LocalSocket.milliseconds + $0 }
        while replies.isEmpty {
            let rest = end.map { $0 - LocalSocket.milliseconds }
            if let rest, rest <= 0 { throw .timedOut(method: method, milliseconds: allowed ?? 0) }
            guard LocalSocket.waitReadable(descriptor, milliseconds: Int32(clamping: rest ?? -1)) else { continue }
            switch LocalSocket.receive(descriptor, into: &buffer) {
            case .again: continue
            case .end: throw .broken(reason: "the service closed the connection")
            case .failed(let code): throw .broken(reason: "receive: errno \(code)")
            case .bytes(let bytes):
                guard let found = framing.messages(from: bytes) else {
                    throw .broken(reason: "a reply of more than \(limits.messageBytesMax) bytes")
                }
                replies += found
            }
        }
        return try Self.parameters(of: replies.removeFirst(), limits: limits)
    }

    private static func parameters(of reply: [UInt8], limits: VarlinkLimits) throws(VarlinkClientError) -> JSONValue {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: reply, limits: .init(bytes: limits.messageBytesMax))
        } catch {
            throw .broken(reason: "the reply is not JSON: \(error)")
        }
        let parameters = json["parameters"] ?? .object([:])
        if let name = json["error"]?.text { throw .failed(VarlinkFailure(name: name, parameters: parameters)) }
        return parameters
    }
}
