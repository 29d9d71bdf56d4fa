import CNetlinkShim
import Glibc
public import NetworkTypes

/// A network device as the kernel reports it.
public struct Link: Hashable, Sendable {
    /// Interface index, unique in its namespace while the device lives.
    public var index: Int
    public var name: String
    /// `veth`, `vxlan`, `tun`, ...; empty for plain devices.
    public var kind: String
    /// The operator's or our mark, empty when unset.
    public var alias: String
    public var mac: MACAddress
    /// Bytes.
    public var mtu: Int
    /// IFF_LOOPBACK.
    public var isLoopback: Bool
    /// IFF_UP: switched on.
    public var isUp: Bool
    /// IFF_LOWER_UP: the other end is there.
    public var isLowerUp: Bool
    /// Only for VXLAN devices.
    public var vxlan: VXLAN?

    /// What distinguishes one VXLAN device from another.
    public struct VXLAN: Hashable, Sendable {
        /// Outer source; nil when the device has none.
        public var local: IPAddress?
        public var port: UInt16
        /// Both `external` and `vnifilter`.
        public var isFiltered: Bool
    }

    init?(_ answer: NetlinkAnswer) throws(NetlinkError) {
        // A family other than AF_UNSPEC means a role of the device (bridge port), not the device.
        guard LinkMessage.types.contains(answer.type), answer.payload.first == 0 else { return nil }
        var raw = outrider_link()
        let result = unsafe answer.bytes.withUnsafeBytes {
            unsafe outrider_nl_link_parse($0.baseAddress, $0.count, &raw)
        }
        _ = try checked(result, "read device")
        index = Int(raw.index)
        name = text(raw.name)
        kind = text(raw.kind)
        alias = text(raw.alias)
        mac = MACAddress(bytes: content(raw.mac)) ?? MACAddress(0)
        mtu = Int(raw.mtu)
        isLoopback = raw.flags & 8 != 0
        isUp = raw.flags & 1 != 0
        isLowerUp = raw.flags & 0x1_0000 != 0
        if kind == "vxlan" {
            vxlan = VXLAN(
                local: IPAddress(family: raw.vxlan_local_family, content(raw.vxlan_local)),
                port: UInt16(truncatingIfNeeded: raw.vxlan_port),
                isFiltered: raw.vxlan_external == 1 && raw.vxlan_vnifilter == 1)
        }
    }
}

extension Link {
    /// What the device is, in words, when it can't become a VM's port; nil for a tap or one end of a veth pair.
    ///
    /// A port's frames must pass through the host's kernel, or its filters would not see them: those of an SR-IOV
    /// function, a macvtap or a device in use by a bridge of the hardware do not.
    public var unfitAsPort: String? {
        switch kind {
        case "veth": nil
        case "tun": mac == MACAddress(0) ? "tun device without Ethernet" : nil
        case "": isLoopback ? "loopback device" : "physical device or SR-IOV function"
        default: "\(kind) device"
        }
    }
}

enum LinkMessage {
    static let new: UInt16 = 16
    static let delete: UInt16 = 17
    static let types: ClosedRange<UInt16> = new...delete
}

/// What to change on a device; nil leaves a property alone.
public struct LinkChange: Sendable {
    public var name: String?
    public var alias: String?
    public var mac: MACAddress?
    public var mtu: Int?
    public var isUp: Bool?
    /// Namespace to move to; together with ``name`` the device arrives there under the new name.
    public var namespace: NamespaceDescriptor?
    public init(
        name: String? = nil, alias: String? = nil, mac: MACAddress? = nil, mtu: Int? = nil, isUp: Bool? = nil,
        namespace: NamespaceDescriptor? = nil
    ) {
        self.name = name
        self.alias = alias
        self.mac = mac
        self.mtu = mtu
        self.isUp = isUp
        self.namespace = namespace
    }
}

extension RouteSocket {
    /// Every device of the namespace.
    public func links() throws(NetlinkError) -> [Link] {
        let message = try unsafe RouteMessage("list devices", "") { unsafe outrider_nl_link_get($0, $1, nil) }
        return try dump(message) { (answer) throws(NetlinkError) in try Link(answer) }
    }

    /// One device, nil when there is none of that name.
    public func link(named name: String) throws(NetlinkError) -> Link? {
        let message = try unsafe RouteMessage("read device", name) { buffer, capacity in
            unsafe name.withCString { unsafe outrider_nl_link_get(buffer, capacity, $0) }
        }
        do throws(NetlinkError) {
            return try Link(socket.request(message.bytes, operation: message.operation, object: name))
        } catch {
            guard error.isNotFound else { throw error }
            return nil
        }
    }

    /// The index of a device, nil when there is none of that name: without the rest, which is a kilobyte and more.
    public func index(named name: String) throws(NetlinkError) -> Int? {
        let result = unsafe name.withCString { unsafe outrider_nl_device_index(socket.fd, $0) }
        if result == -ENODEV { return nil }
        return Int(try checked(result, "read device", name))
    }

    /// Changes a device found by index; several properties travel in one message.
    /// An index of 0 finds the device by its name, which then stays.
    public func changeLink(index: Int, named current: String, _ change: LinkChange) throws(NetlinkError) {
        try self.change(RouteMessage.link(index: index, current: current, change))
    }

    /// Deletes a device; false when there was none.
    public func deleteLink(named name: String) throws(NetlinkError) -> Bool {
        let message = try unsafe RouteMessage("delete device", name) { buffer, capacity in
            unsafe name.withCString { unsafe outrider_nl_link_delete(buffer, capacity, 0, $0) }
        }
        do throws(NetlinkError) {
            try change(message)
            return true
        } catch {
            guard error.isNotFound else { throw error }
            return false
        }
    }
}

extension RouteMessage {
    static func link(index: Int, current: String, _ change: LinkChange) throws(NetlinkError) -> RouteMessage {
        let mac = change.mac?.bytes
        return try unsafe RouteMessage("change device", current) { buffer, capacity in
            unsafe withOptionalCString(change.name) { name in
                unsafe withOptionalCString(change.alias) { alias in
                    unsafe (mac ?? []).withUnsafeBufferPointer { address in
                        var raw = unsafe outrider_link_change()
                        unsafe raw.name = name
                        unsafe raw.alias = alias
                        unsafe raw.mac = mac == nil ? nil : address.baseAddress
                        unsafe raw.mtu = UInt32(change.mtu ?? 0)
                        unsafe raw.up = change.isUp.map { $0 ? 1 : 0 } ?? -1
                        unsafe raw.ns_fd = change.namespace?.fd ?? -1
                        return unsafe current.withCString {
                            unsafe outrider_nl_link_change(buffer, capacity, Int32(index), $0, &raw)
                        }
                    }
                }
            }
        }
    }
}
