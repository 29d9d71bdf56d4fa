import CNetlinkShim
import CSystemShim
import Glibc
public import NetworkTypes

/// The overlay's own network namespace: its life, its sysctls and its VXLAN device.
///
/// The device is born in the overlay's namespace by a message from the host's, so its UDP socket stays with the host
/// and its name never appears there.
public struct OverlayNamespace: Sendable {
    /// Sockets inside the overlay.
    public let overlay: NamespaceSockets
    /// Sockets of the host's namespace, where the tunnel's UDP socket is.
    public let host: NamespaceSockets

    /// - Parameter path: of the namespace, which `create` made.
    public init(path: String, host: NamespaceSockets) throws(NetlinkError) {
        do throws(NetlinkError) {
            overlay = try NamespaceSockets(path: path)
        } catch {
            guard error.isNotFound else { throw error }
            var named = error
            named.advice = "make it with 'outrider-agent netns create'"
            throw named
        }
        guard !overlay.namespace.isSame(as: host.namespace) else {
            throw NetlinkError(
                operation: "use overlay namespace", object: path, code: EINVAL,
                advice: "it is the host's own namespace; the overlay needs one of its own")
        }
        self.host = host
    }

    /// For a host that only observes and has no overlay: both are the host's namespace, and nothing may be written.
    public init(observing host: NamespaceSockets) {
        overlay = host
        self.host = host
    }

    /// Makes the namespace, with its sysctls set and `lo` up. It outlives the process, until ``delete(path:)``.
    ///
    /// - Throws: ``NetlinkError/isExists`` when the path is taken.
    public static func create(path: String) throws(NetlinkError) {
        let result = unsafe path.withCString { unsafe outrider_ns_create($0) }
        if result == -EEXIST {
            throw NetlinkError(
                operation: "create network namespace", object: path, code: EEXIST,
                advice: "it exists already; use it, or remove it with 'outrider-agent teardown'")
        }
        _ = try checked(result, "create network namespace", path)
        do throws(NetlinkError) {
            try configure(NamespaceSockets(path: path))
        } catch {
            try? delete(path: path)
            throw error
        }
    }

    /// Removes the namespace and with it every port, route and table inside.
    public static func delete(path: String) throws(NetlinkError) {
        let result = unsafe path.withCString { unsafe outrider_ns_delete($0) }
        _ = try checked(result, "delete network namespace", path)
    }

    /// Sets every sysctl that matters and brings `lo` up; safe to repeat.
    public func configure() throws(NetlinkError) { try Self.configure(overlay) }

    private static func configure(_ sockets: NamespaceSockets) throws(NetlinkError) {
        for setting in OverlaySysctl.all {
            do throws(NetlinkError) {
                guard try sockets.sysctl(setting.key) != setting.value else { continue }
                try sockets.setSysctl(setting.key, to: setting.value)
            } catch {
                guard setting.mayBeAbsent, error.isNotFound else { throw error }
            }
        }
        let route = try RouteSocket(in: sockets)
        guard let loopback = try route.link(named: "lo"), !loopback.isUp else { return }
        try route.changeLink(index: loopback.index, named: "lo", LinkChange(isUp: true))
    }
}

// MARK: - Device

/// What the tunnel device of one host is.
public struct TunnelDevice: Hashable, Sendable {
    public var name: String
    public var mac: MACAddress
    /// This host's tunnel endpoint: outer source address.
    public var vtep: IPAddress
    /// UDP port.
    public var port: UInt16
    /// Bytes, as seen by a VM.
    public var mtu: Int
    public init(name: String, mac: MACAddress, vtep: IPAddress, port: UInt16, mtu: Int) {
        self.name = name
        self.mac = mac
        self.vtep = vtep
        self.port = port
        self.mtu = mtu
    }
}

extension OverlayNamespace {
    /// The device as it is now, and whether it was made by this call.
    public struct DeviceState: Hashable, Sendable {
        public var index: Int
        public var isNew: Bool
        public var isUp: Bool
    }

    /// Outer TTL: fixed, so that the underlay cannot see the VMs' (RFC 7348 leaves it open).
    private static let outerTTL: UInt8 = 64

    /// Makes the device, or corrects MTU and address of the one that is there. It stays down when new: the filter chain
    /// must be on it before ``raiseDevice(_:)``.
    ///
    /// Another endpoint of the same family is a correction as well, which loses no packet.
    ///
    /// - Parameter mayReplace: delete a device of ours whose port or family differs; else that is an error.
    /// - Throws: ``NetlinkError/isExists`` when another kind of device has the name, ``NetlinkError/isBusy`` when
    ///   another VXLAN device of the host's namespace has the UDP port.
    public func ensureDevice(
        _ device: TunnelDevice, mayReplace: Bool, using route: RouteSocket
    ) throws(NetlinkError) -> DeviceState {
        if let link = try route.link(named: device.name) {
            if try keep(link, as: device, mayReplace: mayReplace, using: route) {
                return DeviceState(index: link.index, isNew: false, isUp: link.isUp)
            }
            _ = try route.deleteLink(named: device.name)
        }
        let hostRoute = try RouteSocket(in: host)
        try refuseTakenPort(device, using: hostRoute)
        try hostRoute.change(RouteMessage.vxlan(device, ttl: Self.outerTTL, namespace: overlay.namespace))
        route.writes += hostRoute.writes
        guard let link = try route.link(named: device.name) else {
            throw NetlinkError(operation: "create device", object: device.name, code: ENODEV)
        }
        return DeviceState(index: link.index, isNew: true, isUp: link.isUp)
    }

    /// Brings the device up, which binds the UDP port in the host's namespace.
    public func raiseDevice(_ device: TunnelDevice, using route: RouteSocket) throws(NetlinkError) {
        guard let link = try route.link(named: device.name) else {
            throw NetlinkError(operation: "raise device", object: device.name, code: ENODEV)
        }
        guard !link.isUp else { return }
        do throws(NetlinkError) {
            try route.changeLink(index: link.index, named: device.name, LinkChange(isUp: true))
        } catch {
            guard error.isBusy else { throw error }
            var named = error
            named.operation = "raise device"
            named.advice =
                "UDP port \(device.port) is taken in \(host.namespace.path); stop its user (ss -ulnp) or choose another vxlan-port"
            throw named
        }
    }

    /// True when the device may stay, with what can be changed corrected; false when it is to be replaced.
    private func keep(
        _ link: Link, as device: TunnelDevice, mayReplace: Bool, using route: RouteSocket
    ) throws(NetlinkError) -> Bool {
        guard let vxlan = link.vxlan, vxlan.isFiltered else {
            throw NetlinkError(
                operation: "create device", object: device.name, code: EEXIST,
                advice:
                    "a \(link.kind.isEmpty ? "plain" : link.kind) device of that name, not ours, is in \(overlay.namespace.path); delete it"
            )
        }
        let isSameFamily = vxlan.local?.isIPv6 == device.vtep.isIPv6
        guard isSameFamily, vxlan.port == device.port else {
            guard !mayReplace else { return false }
            throw NetlinkError(
                operation: "create device", object: device.name, code: EEXIST,
                advice:
                    "it exists with endpoint \(vxlan.local.map(\.description) ?? "of no address") port \(vxlan.port) instead of \(device.vtep) port \(device.port); set vtep back, or run 'outrider-agent teardown'"
            )
        }
        if vxlan.local != device.vtep {
            try route.change(RouteMessage.vxlan(index: link.index, named: device.name, movedTo: device.vtep))
        }
        // While the device is up, a change of its address would make the kernel forget the neighbors on it, and the filter
        // on it takes packets for any.
        let change = LinkChange(
            mac: link.isUp || link.mac == device.mac ? nil : device.mac,
            mtu: link.mtu == device.mtu ? nil : device.mtu)
        if change.mac != nil || change.mtu != nil {
            try route.changeLink(index: link.index, named: device.name, change)
        }
        return true
    }

    /// The kernel accepts a second external device on a port and only refuses its VNIs later, without a name.
    private func refuseTakenPort(_ device: TunnelDevice, using hostRoute: RouteSocket) throws(NetlinkError) {
        guard let other = try hostRoute.links().first(where: { $0.vxlan?.port == device.port }) else { return }
        throw NetlinkError(
            operation: "create device", object: device.name, code: EADDRINUSE,
            advice:
                "VXLAN device '\(other.name)' in \(host.namespace.path) has UDP port \(device.port); delete it or choose another vxlan-port"
        )
    }
}

extension RouteMessage {
    /// Another outer source for a device that is there.
    static func vxlan(index: Int, named name: String, movedTo vtep: IPAddress) throws(NetlinkError) -> RouteMessage {
        try unsafe RouteMessage("change endpoint of device", name) {
            unsafe outrider_nl_vxlan_relocate($0, $1, Int32(index), vtep.hostPrefix.family, vtep.bytes)
        }
    }

    static func vxlan(
        _ device: TunnelDevice, ttl: UInt8, namespace: NamespaceDescriptor?
    ) throws(NetlinkError) -> RouteMessage {
        try unsafe RouteMessage("create device", device.name) { buffer, capacity in
            unsafe device.name.withCString { name in
                var raw = unsafe outrider_vxlan()
                unsafe raw.name = name
                unsafe fill(&raw.mac, with: device.mac.bytes)
                unsafe raw.local_family = device.vtep.hostPrefix.family
                unsafe fill(&raw.local, with: device.vtep.bytes)
                unsafe raw.port = device.port
                unsafe raw.ttl = ttl
                unsafe raw.mtu = UInt32(device.mtu)
                unsafe raw.ns_fd = namespace?.fd ?? -1
                return unsafe outrider_nl_vxlan_create(buffer, capacity, &raw)
            }
        }
    }
}
