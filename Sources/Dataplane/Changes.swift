public import NetworkTypes

/// What one host's data plane must carry, in the domain's words; ``DataplaneModel`` turns it into kernel objects.
public enum DataplaneChange: Hashable, Sendable {
    /// A block that this host leases: its VNI enters the filter.
    case setLocalBlock(LocalBlock)
    case removeLocalBlock(SNIBlock)
    /// A block of another host: neighbor, nexthop object and routes.
    case setRemoteBlock(RemoteRoute)
    case removeRemoteBlock(SNIBlock)
    /// The ranges of an application: the pairs that may talk.
    case setScope(Scope)
    case removeScope(ApplicationID)
    /// A VM's port: host routes, neighbors, anti-spoof, ingress.
    case setPort(Port)
    case removePort(SessionNetworkID)
    /// An identifier that moved to another host: what still arrives for it under its block's VNI is let in and follows
    /// the more specific route to its new host.
    case setForwarding(Forwarding)
    case removeForwarding(SessionNetworkID)
    /// The endpoint that this host sends from: all its peers take packets from it.
    case setEndpoint(IPAddress)
}

/// An identifier of a local block whose VM runs at another host now.
public struct Forwarding: Hashable, Sendable {
    public var sni: SessionNetworkID
    /// Block that stale senders still send to.
    public var block: SNIBlock
    public init(sni: SessionNetworkID, block: SNIBlock) {
        self.sni = sni
        self.block = block
    }
}

/// A block leased to this host.
public struct LocalBlock: Hashable, Sendable {
    public var block: SNIBlock
    public var application: ApplicationID
    public init(block: SNIBlock, application: ApplicationID) {
        self.block = block
        self.application = application
    }
}

/// Where a block of another host lives.
public struct RemoteRoute: Hashable, Sendable {
    public var block: SNIBlock
    public var application: ApplicationID
    public var vtep: IPAddress
    /// The host's endpoint before ``vtep``, from which it still sends: admitted too, and nothing goes there.
    public var former: IPAddress?
    /// Nexthop, neighbor and admitted sender stand ready, and no route leads there: the flip only adds the routes.
    public var standby: Bool
    public init(
        block: SNIBlock, application: ApplicationID, vtep: IPAddress, former: IPAddress? = nil, standby: Bool = false
    ) {
        self.block = block
        self.application = application
        self.vtep = vtep
        self.former = former
        self.standby = standby
    }
}

/// The ranges of one application and the applications it may talk to.
public struct Scope: Hashable, Sendable {
    public var application: ApplicationID
    public var ranges: [SNIRange]
    public var allowed: [ApplicationID]
    public init(application: ApplicationID, ranges: [SNIRange], allowed: [ApplicationID] = []) {
        self.application = application
        self.ranges = ranges
        self.allowed = allowed
    }
}

/// The port of one bound VM interface inside the overlay's namespace.
public struct Port: Hashable, Sendable {
    public var sni: SessionNetworkID
    /// Block that the identifier belongs to: its VNI is what peers send with.
    public var block: SNIBlock
    public var application: ApplicationID
    public var interface: VMInterface
    /// Address of the VM's interface.
    public var mac: MACAddress
    /// The VM is on its way here: the port is made, its neighbors stand, and neither host routes lead to it nor does
    /// anything come in for it. The guest's first frame on it is to be reported.
    public var standby: Bool
    public init(
        sni: SessionNetworkID, block: SNIBlock, application: ApplicationID, interface: VMInterface, mac: MACAddress,
        standby: Bool = false
    ) {
        self.standby = standby
        self.sni = sni
        self.block = block
        self.application = application
        self.interface = interface
        self.mac = mac
    }

    /// Name of the port inside the overlay's namespace: `sni` and six hexadecimal digits.
    public var name: String { "sni\(sni.hex)" }
}
