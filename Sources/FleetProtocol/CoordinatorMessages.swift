public import NetworkTypes

/// From coordinator to agent: the Swift values behind `Fleet.Connect`. Each travels with a ``NetworkTypes/Position``.
public enum CoordinatorMessage: Hashable, Sendable {
    /// Answer to `hello`: permission to bind in this boot.
    case bootGrant(BootGrant)
    /// Answer to `hello`: no, with a stable code and the way out in words.
    case bootRefusal(code: String, reason: String)
    /// Answer to `hello`, or at any time after it: the stream stands, its reports and acknowledgements count, and what
    /// runs goes on, but nothing new is bound until the next grant. Carries the settings that a grant would.
    case bindingStop(BootGrant, code: String, reason: String)
    /// Snapshot or delta of the host's state.
    case stateUpdate(StateUpdate)
    /// Answer to a lease request; the lease itself travels in a state update before it.
    case leaseAnswer(LeaseAnswer)
    /// Binding reports and aggregates up to here are durable.
    case reportAck(journalSequence: UInt64, aggregateSequence: UInt64)
}

/// Permission to bind in this boot, with the installation's settings.
public struct BootGrant: Hashable, Sendable {
    public var identity: AgentIdentity
    /// New bindings end this long (boot-time clock) after the last contact.
    public var bindUntil: Duration
    public var overlay: OverlayPlan
    /// One MTU for the whole overlay, bytes.
    public var overlayMTU: Int
    public var vxlanPort: UInt16
    /// Time that an identifier rests after unbinding.
    public var cooldown: Duration
    public var aggregateInterval: Duration
    public init(
        identity: AgentIdentity, bindUntil: Duration, overlay: OverlayPlan, overlayMTU: Int, vxlanPort: UInt16,
        cooldown: Duration, aggregateInterval: Duration
    ) {
        self.identity = identity
        self.bindUntil = bindUntil
        self.overlay = overlay
        self.overlayMTU = overlayMTU
        self.vxlanPort = vxlanPort
        self.cooldown = cooldown
        self.aggregateInterval = aggregateInterval
    }
}

/// The state of a host, whole or changed.
public struct StateUpdate: Hashable, Sendable {
    /// True: the operations are the whole state; what they do not name is gone.
    public var isSnapshot: Bool
    /// Revision of the update before this one on this stream; 0 for a snapshot.
    public var baseRevision: UInt64
    public var operations: [StateOperation]
    /// What the update takes away is withdrawn: VMs that use it lose their ports, and only then is it acknowledged.
    public var withdraw: Bool
    public init(isSnapshot: Bool, baseRevision: UInt64, operations: [StateOperation], withdraw: Bool = false) {
        self.isSnapshot = isSnapshot
        self.baseRevision = baseRevision
        self.operations = operations
        self.withdraw = withdraw
    }
}

/// One change of a host's state.
public enum StateOperation: Hashable, Sendable {
    case setScope(ScopeState)
    case removeScope(ApplicationID)
    case setLease(LeaseOrder)
    case removeLease(SNIBlock, Epoch)
    case setRemote(RemoteBlock)
    case removeRemote(SNIBlock, Epoch)
    /// A tunnel endpoint is cut off: no packet to it, none from it, whatever remote blocks name it.
    case dropEndpoint(IPAddress)
    /// The endpoint is one like any other again.
    case admitEndpoint(IPAddress)
    /// An identifier of the receiver's leases moves to another host.
    case setDeparture(Departure)
    /// The identifier is the receiver's again.
    case removeDeparture(SessionNetworkID, Epoch)
    /// Every peer takes packets from the receiver's new tunnel endpoint: it sends from there now.
    case switchEndpoint(IPAddress)
}

/// An identifier whose VM migrates away from the receiving host: the sub-lease of the destination, seen by the source.
public struct Departure: Hashable, Sendable, Codable {
    /// How far the migration is.
    public enum Phase: String, Hashable, Sendable, Codable, CaseIterable {
        /// The VM runs here still; the identifier is not handed out again.
        case preparing
        /// The VM runs at the destination: close the port, forward what still arrives.
        case flipped
        /// Every reachable peer sends to the destination: stop forwarding.
        case dropped
    }
    public var sni: SessionNetworkID
    public var interface: VMInterface
    /// Of the sub-lease.
    public var epoch: Epoch
    public var destination: HostID
    public var phase: Phase
    public init(
        sni: SessionNetworkID, interface: VMInterface, epoch: Epoch, destination: HostID, phase: Phase = .preparing
    ) {
        self.sni = sni
        self.interface = interface
        self.epoch = epoch
        self.destination = destination
        self.phase = phase
    }
}

/// An application that a host must know: its ranges are the pairs of the filter.
public struct ScopeState: Hashable, Sendable, Codable {
    public var application: ApplicationID
    public var name: String
    /// Its ranges with leased blocks, ascending and disjoint.
    public var ranges: [SNIRange]
    /// Applications that both policies allow.
    public var allowed: [ApplicationID]
    public var priority: PriorityClass
    public init(
        application: ApplicationID, name: String, ranges: [SNIRange], allowed: [ApplicationID] = [],
        priority: PriorityClass = .standard
    ) {
        self.application = application
        self.name = name
        self.ranges = ranges
        self.allowed = allowed
        self.priority = priority
    }
}

/// A block that the receiving host leases.
public struct LeaseOrder: Hashable, Sendable, Codable {
    public var block: SNIBlock
    public var application: ApplicationID
    /// Epoch in force from now.
    public var epoch: Epoch
    /// Every reachable peer's kernel carries it.
    public var staged: Bool
    /// Drain it and answer.
    public var marked: Bool
    /// Withdraw bound VMs first (only with `marked`).
    public var force: Bool
    /// Came from the application's reserved range (true) or had to be found fresh (false).
    public var fromReserved: Bool
    /// A sub-lease of one identifier for a VM that migrates here: nobody else may bind it, and nothing passes before
    /// the guest's first frame. Nil once the migration is done.
    public var incoming: VMInterface?
    public init(
        block: SNIBlock, application: ApplicationID, epoch: Epoch, staged: Bool = false, marked: Bool = false,
        force: Bool = false, fromReserved: Bool = true, incoming: VMInterface? = nil
    ) {
        self.block = block
        self.application = application
        self.epoch = epoch
        self.staged = staged
        self.marked = marked
        self.force = force
        self.fromReserved = fromReserved
        self.incoming = incoming
    }
}

/// A block of another host, to be staged in the receiver's kernel.
public struct RemoteBlock: Hashable, Sendable, Codable {
    public var block: SNIBlock
    public var application: ApplicationID
    public var epoch: Epoch
    public var host: HostID
    public var vtep: IPAddress
    /// Everything stands ready and no route leads there yet: the destination of a migration before its flip.
    public var standby: Bool
    /// The host's endpoint before ``vtep``, from which it still sends; nil when there is none.
    public var former: IPAddress?
    public init(
        block: SNIBlock, application: ApplicationID, epoch: Epoch, host: HostID, vtep: IPAddress,
        standby: Bool = false, former: IPAddress? = nil
    ) {
        self.standby = standby
        self.former = former
        self.block = block
        self.application = application
        self.epoch = epoch
        self.host = host
        self.vtep = vtep
    }
}

/// Answer to a lease request.
public struct LeaseAnswer: Hashable, Sendable {
    public enum Outcome: Hashable, Sendable {
        case granted(SNIBlock)
        /// Stable code (`exhausted`, `quota`, `unknown-application`, `deleting`) and words.
        case refused(code: String, detail: String)
    }
    public var request: UInt64
    public var outcome: Outcome
    public init(request: UInt64, outcome: Outcome) {
        self.request = request
        self.outcome = outcome
    }
}
