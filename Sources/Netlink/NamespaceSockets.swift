import CSystemShim
import Glibc

/// A descriptor of a network namespace, closed with its last owner.
public final class NamespaceDescriptor: Sendable {
    /// The open descriptor; valid as long as this object lives.
    public let fd: Int32
    /// Where it was opened from, for messages.
    public let path: String

    /// Opens the namespace at `path` (`/run/netns/NAME`, `/proc/PID/ns/net`).
    public init(path: String) throws(NetlinkError) {
        let result = unsafe path.withCString { unsafe outrider_ns_open($0) }
        if result == -EINVAL {
            throw NetlinkError(
                operation: "open network namespace", object: path, code: EINVAL,
                advice: "the path must be a network namespace, as 'ip netns add' makes it")
        }
        fd = try checked(result, "open network namespace", path)
        self.path = path
    }

    /// The namespace that the process is in now.
    public init() throws(NetlinkError) {
        fd = try checked(outrider_ns_open_current(), "open own network namespace")
        path = "/proc/self/ns/net"
    }

    deinit { close(fd) }

    /// True when both mean the same namespace, whatever path they came from.
    public func isSame(as other: NamespaceDescriptor) -> Bool { outrider_ns_same(fd, other.fd) == 1 }
}

/// The one source of sockets and tun descriptors bound to a network namespace.
///
/// A socket keeps the namespace that it was opened in. Each is opened on a thread made for it, which enters the
/// namespace and then ends; no thread of Swift's pools ever changes its namespace.
public struct NamespaceSockets: Sendable {
    /// The namespace that the sockets belong to.
    public let namespace: NamespaceDescriptor

    /// Sockets of the namespace at `path`, or of the process's own namespace.
    public init(path: String?) throws(NetlinkError) {
        if let path {
            namespace = try NamespaceDescriptor(path: path)
        } else {
            namespace = try NamespaceDescriptor()
        }
    }

    /// Sockets of a namespace that is open already.
    public init(namespace: NamespaceDescriptor) { self.namespace = namespace }

    /// A socket inside the namespace; the caller closes it.
    public func open(domain: Int32, type: Int32, protocol number: Int32) throws(NetlinkError) -> Int32 {
        try checked(outrider_ns_socket(namespace.fd, domain, type, number), "open socket in", namespace.path)
    }

    /// A tap born in the namespace, or attached to when it exists; the caller closes the descriptor.
    ///
    /// - Parameters:
    ///   - persistent: the device outlives the descriptor.
    ///   - owner: user id that may open it without CAP_NET_ADMIN; nil sets none.
    ///   - group: group id, likewise.
    public func openTap(
        name: String, persistent: Bool, owner: UInt32? = nil, group: UInt32? = nil
    ) throws(NetlinkError) -> Int32 {
        let descriptor = try openTuns(1)[0]
        do throws(NetlinkError) {
            try Self.makeTap(
                descriptor, name: name, exclusive: false, persistent: persistent, owner: owner, group: group)
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// At least one open `/dev/net/tun` of the namespace, at most `count`; the caller closes them.
    func openTuns(_ count: Int) throws(NetlinkError) -> [Int32] {
        var descriptors = [Int32](repeating: -1, count: count)
        let opened = unsafe outrider_ns_open_tuns(namespace.fd, &descriptors, Int32(count))
        return Array(descriptors.prefix(Int(try checked(opened, "open", "/dev/net/tun"))))
    }

    /// Makes an open `/dev/net/tun` a tap in the namespace that it belongs to.
    ///
    /// - Parameter exclusive: a device of that name, whatever kind, is an error (``NetlinkError/isBusy``).
    static func makeTap(
        _ descriptor: Int32, name: String, exclusive: Bool, persistent: Bool, owner: UInt32?, group: UInt32?
    ) throws(NetlinkError) {
        let (owner, group) = (owner.map(Int64.init) ?? -1, group.map(Int64.init) ?? -1)
        let result = unsafe name.withCString { text in
            unsafe outrider_tap_attach(descriptor, text, exclusive ? 1 : 0, persistent ? 1 : 0, owner, group)
        }
        _ = try checked(result, "create tap", name)
    }

    /// Sets a sysctl of the namespace; `key` is the path below `/proc/sys/`, such as `net/ipv4/ip_forward`.
    public func setSysctl(_ key: String, to value: String) throws(NetlinkError) {
        let result = unsafe "/proc/sys/\(key)".withCString { path in
            unsafe value.withCString { unsafe outrider_ns_write_file(namespace.fd, path, $0, value.utf8.count) }
        }
        _ = try checked(result, "set sysctl", key)
    }

    /// Reads a sysctl of the namespace, without the trailing line end.
    public func sysctl(_ key: String) throws(NetlinkError) -> String {
        var bytes = [UInt8](repeating: 0, count: 256)
        let result = unsafe "/proc/sys/\(key)".withCString { path in
            unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe outrider_ns_read_file(
                    namespace.fd, path, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
            }
        }
        let count = Int(try checked(result, "read sysctl", key))
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        return text.last == "\n" ? String(text.dropLast()) : text
    }
}
