public import FleetProtocol
public import NetworkTypes

/// Names one call of the local socket; chosen by the shell, unique within the process.
public struct RequestID: Hashable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// How a VM interface gets its port.
public enum PortRequest: Hashable, Sendable {
    /// A veth pair: one end in the overlay, the other called `name` in the namespace at `namespace` (absolute path).
    case veth(namespace: String, name: String)
    /// A persistent tap born in the overlay's namespace. `owner` and `group` are the ids that may open it.
    case tap(owner: UInt32?, group: UInt32?)
    /// The port appears later and is handed over by Plug.
    case later
}

/// A launch: bind an identifier to a VM interface and make its port.
public struct AttachRequest: Hashable, Sendable {
    public var application: ApplicationID
    public var session: SessionID?
    public var interface: VMInterface
    /// Address of the VM's interface; nil lets the agent choose `06:4f:52:` and the identifier.
    public var mac: MACAddress?
    public var port: PortRequest
    /// Longest wait for a block; nil means the configured default.
    public var timeout: Duration?
    public init(
        application: ApplicationID, session: SessionID? = nil, interface: VMInterface, mac: MACAddress? = nil,
        port: PortRequest, timeout: Duration? = nil
    ) {
        self.application = application
        self.session = session
        self.interface = interface
        self.mac = mac
        self.port = port
        self.timeout = timeout
    }
}

/// What the VM needs to address itself.
public struct AttachAnswer: Hashable, Sendable {
    public var sni: SessionNetworkID
    public var ipv4: IPv4Address
    public var ipv6: IPv6Address
    public var gateway4: IPv4Address
    public var gateway6: IPv6Address
    /// Bytes.
    public var mtu: Int
    /// Name of the port inside the overlay's namespace.
    public var port: String
    /// Address of the VM's interface.
    public var mac: MACAddress
    public var priority: PriorityClass
    public var servedFrom: ServedFrom
    public init(
        sni: SessionNetworkID, ipv4: IPv4Address, ipv6: IPv6Address, gateway4: IPv4Address, gateway6: IPv6Address,
        mtu: Int, port: String, mac: MACAddress, priority: PriorityClass, servedFrom: ServedFrom
    ) {
        self.sni = sni
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.gateway4 = gateway4
        self.gateway6 = gateway6
        self.mtu = mtu
        self.port = port
        self.mac = mac
        self.priority = priority
        self.servedFrom = servedFrom
    }
}

/// Hands over a port that exists: it is moved into the overlay's namespace and renamed after its identifier.
public struct PlugRequest: Hashable, Sendable {
    public var interface: VMInterface
    /// Name that the port has now.
    public var port: String
    /// Path of the namespace that it is in now; nil is the host's.
    public var namespace: String?
    public init(interface: VMInterface, port: String, namespace: String? = nil) {
        self.interface = interface
        self.port = port
        self.namespace = namespace
    }
}

/// Answer to a local call.
public enum AgentReply: Hashable, Sendable {
    /// To Attach and Plug.
    case attached(AttachAnswer)
    case detached
    case status(AgentStatus)
}

/// Why a local call failed. One table in the shell maps these to Varlink errors and exit codes.
public enum AgentError: Error, Hashable, Sendable {
    /// The journal was lost or is foreign: running ports are adopted, nothing new is bound.
    case recovering
    /// The coordinator did not confirm this boot yet, or refused it.
    case notGranted(reason: String)
    /// Longer than `bind_until` without a word from the coordinator.
    case bindingsSuspended(silentFor: Duration)
    case unknownApplication(ApplicationID)
    case applicationDeleting(ApplicationID)
    /// No identifiers left for this application (`exhausted`, `quota` or another code of the coordinator).
    case noIdentifiers(code: String, detail: String)
    /// The wait for a block ended; `connected` tells whether the coordinator could be asked.
    case timedOut(waited: Duration, connected: Bool)
    /// The interface is bound already, with other parameters; `difference` names the first one.
    case duplicateInterface(VMInterface, sni: SessionNetworkID?, difference: String)
    case noSuchBinding(VMInterface)
    /// A Detach of the same interface came while the launch was under way.
    case detachedMeanwhile(VMInterface)
    case invalid(parameter: String, reason: String)
    case port(PortFailure)
    /// The kernel refused; the launch was undone.
    case dataplane(reason: String)
    /// The journal can't be written; running VMs are not touched.
    case journal(reason: String)
    case tooManyWaiting(limit: Int)
}

/// Why a port could not be made or moved.
public enum PortFailure: Error, Hashable, Sendable {
    case noSuchNamespace(String)
    case noSuchPort(String)
    case nameTaken(String)
    /// The port carries another VM's mark.
    case belongsToAnother(port: String, owner: String)
    case unsupported(port: String, kind: String)
    case failed(String)
}

/// The agent's own view, for `outriderctl status` and `check`.
public struct AgentStatus: Hashable, Sendable {
    public var identity: AgentIdentity
    public var connected: Bool
    public var recovering: Bool
    public var grant: BootGrant?
    /// Why nothing may be bound, or nil.
    public var bindingStoppedBecause: String?
    public var position: Position
    public var acknowledged: Position
    public var journalSequence: UInt64
    /// Time since the last word from the coordinator, nil before the first.
    public var silentFor: Duration?
    public var leases: [LeaseStatus]
    public var bindings: [BindingStatus]
    public var remoteBlocks: Int
    public var scopes: [ScopeState]
    public var waitingLaunches: Int
    public var counts: LaunchCounts
    /// Latest report of the reconciler, nil before the first.
    public var host: HostReport?
    public var backlog: BacklogStatus
}

/// Aggregates that the coordinator has not taken.
public struct BacklogStatus: Hashable, Sendable {
    public var batches: Int
    /// Intervals in them.
    public var intervals: Int
    /// Since the process started.
    public var folded: UInt64
    /// In this boot.
    public var lost: UInt64
}

/// One lease and the use of its identifiers.
public struct LeaseStatus: Hashable, Sendable {
    public var lease: LeaseOrder
    public var drained: Bool
    public var bound: Int
    public var cooling: Int
    public var available: Int
}

/// One binding and its port.
public struct BindingStatus: Hashable, Sendable {
    public var binding: BindingRecord
    public var mac: MACAddress
    /// Name of the port, nil while there is none.
    public var port: String?
}

/// Launches since the process started.
public struct LaunchCounts: Hashable, Sendable {
    public var staged = 0
    public var leased = 0
    public var reserved = 0
    public var cold = 0
    public var failed = 0
    public var stopped = 0
    public init() {}
}
