import CNamespaceKit
import Foundation
public import NetworkTypes

/// An address of either family, for sockets.
public typealias PeerAddress = IPAddress

extension IPAddress {
    public var family: SocketFamily { isIPv6 ? .ipv6 : .ipv4 }
}

/// Address family of a socket.
public enum SocketFamily: Sendable {
    case ipv4, ipv6
    var number: Int32 { self == .ipv4 ? AF_INET : AF_INET6 }
}

/// A socket that lives in one network namespace, whichever thread uses it.
///
/// It is opened on a thread of its own: a thread that enters a namespace must not be one that others share.
public final class NamespaceSocket: Sendable {
    let descriptor: Int32
    let family: SocketFamily
    /// No test sends more than an Ethernet frame.
    private static let datagramMax = 2_048

    init(descriptor: Int32, family: SocketFamily) {
        self.descriptor = descriptor
        self.family = family
    }

    /// Kind of socket, by what the tests do with it.
    public enum Kind: Sendable {
        case datagram
        case stream
        /// ICMP or ICMPv6 echo.
        case echo
        /// The caller writes the IP header.
        case header
        /// rtnetlink.
        case route
        /// Whole Ethernet frames, sent and never received.
        case frame

        /// Socket family, type (SOCK_STREAM 1, SOCK_DGRAM 2, SOCK_RAW 3) and protocol.
        func numbers(_ family: SocketFamily) -> (family: Int32, type: Int32, transport: Int32) {
            switch self {
            case .datagram: (family.number, 2, 0)
            case .stream: (family.number, 1, 0)
            case .echo: (family.number, 3, family == .ipv4 ? 1 : 58)
            case .header: (family.number, 3, 255)
            case .route: (AF_NETLINK, 3, 0)
            case .frame: (AF_PACKET, 3, 0)
            }
        }
    }

    /// Opens a socket in the named namespace.
    public convenience init(_ kind: Kind, _ family: SocketFamily, in namespace: String) throws(KitError) {
        let (domain, type, transport) = kind.numbers(family)
        let path = NetworkNamespace.path(namespace)
        let descriptor = try onThreadOfItsOwn { () throws(KitError) in
            let result = unsafe nskit_socket(path, domain, type, transport)
            guard result >= 0 else { throw KitError.system(operation: "socket in \(namespace)", errno: -result) }
            return result
        }
        self.init(descriptor: descriptor, family: family)
        if kind == .header {
            let result = nskit_include_header(descriptor, family.number)
            guard result == 0 else { throw .system(operation: "header option in \(namespace)", errno: -result) }
        }
    }

    deinit { _ = nskit_close(descriptor) }

    /// Sends one datagram; the kernel's refusal as a positive errno, 0 when it took the datagram.
    @discardableResult
    public func send(_ data: [UInt8], to address: PeerAddress, port: UInt16 = 0) -> Int32 {
        let bytes = address.bytes
        return unsafe 0 - nskit_send(descriptor, bytes, bytes.count, port, 0, data, data.count)
    }

    /// Sends one Ethernet frame through a device of the namespace, from a socket of kind ``Kind/frame``.
    public func send(frame: [UInt8], through device: String) throws(KitError) {
        let result = unsafe nskit_send_frame(descriptor, device, frame, frame.count)
        guard result == 0 else { throw .system(operation: "send a frame through \(device)", errno: -result) }
    }

    /// One datagram within the time, or nil.
    public func receive(within timeout: Duration) -> (data: [UInt8], from: [UInt8])? {
        var buffer = [UInt8](repeating: 0, count: Self.datagramMax)
        var sender = [UInt8](repeating: 0, count: 16)
        var senderLength = 0
        let microseconds = timeout.inNanoseconds / 1_000
        let count = unsafe nskit_receive(
            descriptor, &buffer, buffer.count, microseconds, &sender, &senderLength)
        guard count >= 0 else { return nil }
        return (Array(buffer.prefix(Int(count))), Array(sender.prefix(senderLength)))
    }

    /// Binds to any address of the family.
    public func bind(port: UInt16) throws(KitError) {
        let result = nskit_bind(descriptor, family.number, nil, 0, port)
        guard result == 0 else { throw .system(operation: "bind to port \(port)", errno: -result) }
    }

    /// Binds to one address.
    public func bind(to address: PeerAddress, port: UInt16 = 0) throws(KitError) {
        let bytes = address.bytes
        let result = unsafe nskit_bind(descriptor, family.number, bytes, bytes.count, port)
        guard result == 0 else { throw .system(operation: "bind to \(address)", errno: -result) }
    }

    public func listen() throws(KitError) {
        let result = nskit_listen(descriptor)
        guard result == 0 else { throw .system(operation: "listen", errno: -result) }
    }

    /// One connection within the time, or nil.
    public func accept(within timeout: Duration) -> NamespaceSocket? {
        let result = nskit_accept(descriptor, timeout.inNanoseconds / 1_000)
        return result >= 0 ? NamespaceSocket(descriptor: result, family: family) : nil
    }

    /// True when the connection was made within the time.
    public func connect(to address: PeerAddress, port: UInt16, within timeout: Duration) -> Bool {
        let bytes = address.bytes
        return unsafe nskit_connect(descriptor, bytes, bytes.count, port, timeout.inNanoseconds / 1_000) == 0
    }
}

/// Runs `body` on a fresh thread and waits for it.
func onThreadOfItsOwn<T: Sendable>(_ body: @escaping @Sendable () throws(KitError) -> T) throws(KitError) -> T {
    let done = DispatchSemaphore(value: 0)
    let box = ResultBox<T>()
    Thread.detachNewThread {
        do throws(KitError) {
            box.store(.success(try body()))
        } catch {
            box.store(.failure(error))
        }
        done.signal()
    }
    done.wait()
    guard let result = box.take() else { throw .unexpected("a thread ended without a result") }
    return try result.get()
}
