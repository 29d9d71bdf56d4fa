public import NetworkTypes

/// What one host's data plane is built from; all but ``vtep`` is the same for the life of an agent process.
public struct DataplaneConfiguration: Hashable, Sendable {
    public var plan: OverlayPlan
    /// This host's tunnel endpoint: what it sends from.
    public var vtep: IPAddress
    /// MTU of the VXLAN device and of every port, in bytes: the fleet's smallest underlay MTU less
    /// ``IPAddress/tunnelOverhead``.
    public var mtu: Int
    /// Name of the VXLAN device inside the overlay's namespace.
    public var device: String
    /// UDP destination port of the tunnel (IANA: 4789).
    public var vxlanPort: UInt16
    /// Requests of VMs for an address reach the host's own sockets.
    public var answersGuests: Bool

    public init(
        plan: OverlayPlan = .standard, vtep: IPAddress, mtu: Int, device: String = standardDevice,
        vxlanPort: UInt16 = 4789, answersGuests: Bool = true
    ) {
        self.answersGuests = answersGuests
        self.plan = plan
        self.vtep = vtep
        self.mtu = mtu
        self.device = device
        self.vxlanPort = vxlanPort
    }

    /// True for equal ones too.
    public func differsByEndpointOnly(from other: DataplaneConfiguration) -> Bool {
        var moved = self
        moved.vtep = other.vtep
        return moved == other
    }

    /// Name of the VXLAN device, unless a test has two.
    public static let standardDevice = "outrider"
    /// `rtm_protocol` and `nh_protocol` of everything that we write.
    public static let routeProtocol: UInt8 = 83
    /// Gateway of every VM, on `lo` once: link-local, so it needs no identifier (RFC 3927).
    public static let gateway4 = IPv4Address(0xA9FE_0101)
    /// Gateway of every VM, on each port.
    public static let gateway6 = IPv6Address.linkLocal(1)
    /// Address that every VM sees behind both gateways, so that a VM may move between hosts with its neighbor cache.
    public static let portMAC = MACAddress(0x024F_5200_0001)
    /// Metric of the unreachable routes that cover the overlay: worse than any other of ours.
    public static let coverMetric: UInt32 = 4000
    /// The kernel's metric of a route that names none.
    public static let defaultMetric4: UInt32 = 0
    public static let defaultMetric6: UInt32 = 1024

    /// Id of a remote block's nexthop object: unique, as blocks of one size never overlap.
    public static func nexthopID(of block: SNIBlock) -> UInt32 {
        0x4000_0000 | UInt32(block.order) << 24 | block.first.rawValue
    }
    /// Tunnel id of the path echo; no block has it, as the first chunk is never handed out.
    public static let echoVNI = SessionNetworkID(unchecked: 1)
    /// Id of the nexthop object that echoes to an endpoint go by; unique with IPv4, and where two IPv6 endpoints have one
    /// id, the first is echoed to.
    public static func echoNexthopID(of vtep: IPAddress) -> UInt32 {
        0x8000_0000 | UInt32(truncatingIfNeeded: vtep.tunnelMAC.rawValue & 0x7FFF_FFFF)
    }
    /// Whether ``echoNexthopID(of:)`` gives the id.
    public static func isEcho(nexthop id: UInt32) -> Bool { id >> 31 == 1 }
    /// The block that ``nexthopID(of:)`` names; nil for an id that it never gives.
    public static func block(ofNexthop id: UInt32) -> SNIBlock? {
        let order = Int(id >> 24 & 0x3F)
        guard id >> 30 == 1, order <= 24 else { return nil }
        return SNIBlock(first: SessionNetworkID(unchecked: id & 0xFF_FFFF), size: 1 << order)
    }
}
