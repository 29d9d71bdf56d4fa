public import NetworkTypes

/// From agent to coordinator: the Swift values behind `Fleet.Connect` (`Protos/outrider/v1/fleet.proto`).
///
/// Both state machines speak these, so that they can be run against each other without a network.
public enum AgentMessage: Hashable, Sendable {
    /// First message of a stream.
    case hello(Hello)
    /// Cumulative: journal and kernel carry every update up to this position.
    case stateAck(Position)
    /// A launch waits for a block.
    case leaseRequest(LeaseRequest)
    /// Answer to a mark.
    case drainAnswer(DrainAnswer)
    /// Bindings made and ended, in journal order.
    case bindingReport(BindingReport)
    /// Per-application telemetry of one interval.
    case aggregates(Aggregates)
    /// What the reconciler saw.
    case hostReport(HostReport)
    /// A VM that migrates here has sent its first frame; repeated until its lease is no longer incoming.
    case arrived(SessionNetworkID, Epoch)
}

/// Who speaks: stands in every message, so that none is ever taken for another host's.
public struct AgentIdentity: Hashable, Sendable, Codable {
    public var host: HostID
    /// Identity of this installation of the agent.
    public var incarnation: Incarnation
    /// Identity of this boot of the machine.
    public var boot: BootID
    public init(host: HostID, incarnation: Incarnation, boot: BootID) {
        self.host = host
        self.incarnation = incarnation
        self.boot = boot
    }
}

/// Who the agent is and what it holds.
public struct Hello: Hashable, Sendable {
    /// Fingerprint of the machine, opaque.
    public var fingerprint: String
    public var vtep: IPAddress
    /// The endpoint that the host still sends from, while ``vtep`` waits for its peers; nil when it sends from ``vtep``.
    public var former: IPAddress?
    /// MTU of the underlay interface, bytes.
    public var underlayMTU: Int
    /// Highest position that the agent has persisted.
    public var position: Position
    /// Sequence of the last record in the agent's journal.
    public var journalSequence: UInt64
    public var version: String
    public var leases: [LeaseRecord]
    public var bindings: [BindingRecord]
    /// The journal was lost or is of a foreign incarnation: adopt, bind nothing new.
    public var recovering: Bool
    /// Aggregate sequence that follows next in this boot.
    public var aggregateSequence: UInt64
    public init(
        fingerprint: String, vtep: IPAddress, underlayMTU: Int, position: Position, journalSequence: UInt64,
        version: String, leases: [LeaseRecord], bindings: [BindingRecord], recovering: Bool, aggregateSequence: UInt64,
        former: IPAddress? = nil
    ) {
        self.fingerprint = fingerprint
        self.vtep = vtep
        self.former = former
        self.underlayMTU = underlayMTU
        self.position = position
        self.journalSequence = journalSequence
        self.version = version
        self.leases = leases
        self.bindings = bindings
        self.recovering = recovering
        self.aggregateSequence = aggregateSequence
    }
}

/// Asks for a block, because a launch waits.
public struct LeaseRequest: Hashable, Sendable {
    /// Chosen by the agent, unique within its boot.
    public var request: UInt64
    public var application: ApplicationID
    /// Launches waiting.
    public var waiting: Int
    public init(request: UInt64, application: ApplicationID, waiting: Int) {
        self.request = request
        self.application = application
        self.waiting = waiting
    }
}

/// Answer to a mark of one block.
public struct DrainAnswer: Hashable, Sendable {
    public enum Outcome: Hashable, Sendable {
        /// Journalled as drained: the point of no return.
        case drained
        /// Refused, with the reason and the interfaces that stand in the way.
        case refused(reason: String, users: [VMInterface])
    }
    public var block: SNIBlock
    /// Epoch of the mark answered.
    public var epoch: Epoch
    public var outcome: Outcome
    public init(block: SNIBlock, epoch: Epoch, outcome: Outcome) {
        self.block = block
        self.epoch = epoch
        self.outcome = outcome
    }
}

/// Bindings made and ended since the last report, in journal order.
public struct BindingReport: Hashable, Sendable {
    /// Journal sequence of the last event; the coordinator acknowledges it.
    public var journalSequence: UInt64
    public var events: [BindingRecord]
    public init(journalSequence: UInt64, events: [BindingRecord]) {
        self.journalSequence = journalSequence
        self.events = events
    }
}

/// What the reconciler saw.
public struct HostReport: Hashable, Sendable {
    public var routes: Int
    public var nexthops: Int
    public var nftElements: Int
    /// Objects of others, left alone.
    public var foreign: [String]
    /// Change messages written to the kernel since start.
    public var kernelWrites: UInt64
    /// Objects desired and not yet in the kernel, with the reason.
    public var pending: [String]
    /// What of blocks and ports the kernel carries; nil when it was not read.
    public var kernel: KernelInventory?
    /// Why the journal cannot be written, nil when it can. Nothing new is taken in then; filled in by the agent's machine.
    public var journalFailure: String?
    /// Tunnel endpoints of peers that echoes go to; filled in by the agent's machine.
    public var paths: Int
    /// Those of them that do not answer, or not at the overlay's MTU, ascending; filled in by the agent's machine.
    public var silentPaths: [IPAddress]
    public init(
        routes: Int = 0, nexthops: Int = 0, nftElements: Int = 0, foreign: [String] = [], kernelWrites: UInt64 = 0,
        pending: [String] = [], kernel: KernelInventory? = nil, journalFailure: String? = nil, paths: Int = 0,
        silentPaths: [IPAddress] = []
    ) {
        self.paths = paths
        self.silentPaths = silentPaths
        self.journalFailure = journalFailure
        self.kernel = kernel
        self.routes = routes
        self.nexthops = nexthops
        self.nftElements = nftElements
        self.foreign = foreign
        self.kernelWrites = kernelWrites
        self.pending = pending
    }
}

/// Blocks and ports in the kernel of a host, as dumped: what `check` compares with the book.
public struct KernelInventory: Hashable, Sendable {
    /// Position that the kernel had reached when it was read; filled in by the agent's machine.
    public var position: Position
    /// Identifiers of the VNIs in the filter, ascending: the first of each local block.
    public var localVNIs: [SessionNetworkID]
    /// Blocks with a nexthop object, ascending.
    public var remoteBlocks: [SNIBlock]
    /// Identifiers with a port, ascending.
    public var ports: [SessionNetworkID]
    public init(
        position: Position = .zero, localVNIs: [SessionNetworkID] = [], remoteBlocks: [SNIBlock] = [],
        ports: [SessionNetworkID] = []
    ) {
        self.position = position
        self.localVNIs = localVNIs
        self.remoteBlocks = remoteBlocks
        self.ports = ports
    }
}
