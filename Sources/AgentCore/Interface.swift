public import Dataplane
public import FleetProtocol
public import NetworkTypes
public import Telemetry

/// Names one effect whose outcome the shell feeds back; chosen by the machine, unique within the process.
public struct Token: Hashable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// What the machine must know of its surroundings, and its limits.
public struct AgentCoreConfiguration: Hashable, Sendable {
    /// Fingerprint of the machine, opaque.
    public var fingerprint: String
    public var vtep: IPAddress
    /// The endpoint that the kernel sends from, as found at start, while that is not ``vtep``.
    public var former: IPAddress?
    /// Bytes.
    public var underlayMTU: Int
    public var version: String
    /// Wait for a block when the request names none.
    public var attachTimeout: Duration
    /// Launches that may wait at one time; more are refused.
    public var waitingLaunchesMax: Int
    /// Unacknowledged aggregates kept for a coordinator that is away; above it, the oldest are folded.
    public var aggregatesKeptMax: Int
    /// Records after which the journal is rewritten as one checkpoint.
    public var recordsPerCheckpoint: Int
    /// How often peers are echoed to through the tunnel; nil never.
    public var echoInterval: Duration?
    /// Nothing is bound here: the host only reports what others run.
    public var observesOnly: Bool
    public init(
        fingerprint: String, vtep: IPAddress, former: IPAddress? = nil, underlayMTU: Int, version: String,
        attachTimeout: Duration = .seconds(5), waitingLaunchesMax: Int = 4096, aggregatesKeptMax: Int = 512,
        recordsPerCheckpoint: Int = 8192, echoInterval: Duration? = nil, observesOnly: Bool = false
    ) {
        self.observesOnly = observesOnly
        self.fingerprint = fingerprint
        self.vtep = vtep
        self.former = former
        self.underlayMTU = underlayMTU
        self.version = version
        self.attachTimeout = attachTimeout
        self.waitingLaunchesMax = waitingLaunchesMax
        self.aggregatesKeptMax = aggregatesKeptMax
        self.recordsPerCheckpoint = recordsPerCheckpoint
        self.echoInterval = echoInterval
    }
}

/// Everything that can happen to the agent.
public enum AgentInput: Sendable {
    /// A stream to the coordinator is open; the machine sends its Hello.
    case connected
    case disconnected
    case message(Position, CoordinatorMessage)

    case attach(RequestID, AttachRequest)
    case plug(RequestID, PlugRequest)
    /// Always succeeds once the kernel was asked.
    ///
    /// With `hold`, the identifier is kept for the interface that long: its next attach gets it again.
    case detach(RequestID, VMInterface, hold: Duration? = nil)
    /// The guest behind a port on standby was heard: its migration is done here.
    case firstFrame(SessionNetworkID)
    case status(RequestID)
    /// The operator confirms that the adopted ports are all there is: ends `recovering` when every one has a lease.
    case resolveRecovery(RequestID)

    /// The records of ``AgentEffect/journal(_:firstSequence:_:)`` are durable. In the order of the effects.
    case journaled(Token)
    /// The journal can't be written any more; the machine binds nothing until the process starts again.
    case journalFailed(reason: String)
    /// In the order of the effects. A failure says what of these changes (for an empty list: of everything desired) the
    /// kernel does not carry; the changes stay desired.
    case dataplaneApplied(Token, Result<Void, DataplaneFailure>)
    /// For createPort and movePort.
    case portCreated(Token, Result<PortFacts, PortFailure>)
    /// A port that was not there counts as deleted.
    case portDeleted(Token, Result<Void, PortFailure>)
    /// What the applications did since the reading before.
    case measured(TelemetryStep)
    case hostReport(HostReport)
    /// A tunnel endpoint answered an echo of this round, the short one or that of the overlay's MTU.
    case echoAnswered(IPAddress, round: UInt64, isFull: Bool)
    /// At or after ``AgentMachine/nextDeadline``; more often does no harm.
    case tick
}

/// Everything that the machine asks of its shell, to be started in this order.
public enum AgentEffect: Hashable, Sendable {
    /// Append, sync, then feed `journaled(token)`. Records take the sequences from `firstSequence` on; the shell must
    /// append in the order of the effects and stop the process when the journal's count differs.
    case journal([JournalRecord], firstSequence: UInt64, Token)
    /// Rewrite the journal as this one record (taking `sequence`), in order with the appends around it.
    case checkpoint(JournalRecord, sequence: UInt64)
    /// Merge into the desired state, apply, feed `dataplaneApplied(token)`. An empty list asks to apply again.
    case dataplane([DataplaneChange], Token)
    /// Bring up device and base rules for this plan, and compare with the kernel. `deletes`: of what is superfluous.
    case ensureOverlay(BootGrant, deletes: DeletionScope)
    case createPort(PortOrder, Token)
    /// Move into the overlay's namespace and rename.
    case movePort(PortMove, Token)
    case deletePort(PortRemoval, Token)
    case send(AgentMessage)
    /// Send a short echo and one of the overlay's MTU to each through the tunnel, and feed the answers.
    case echo([IPAddress], round: UInt64)
    /// Close the stream and open a new one, which brings a snapshot.
    case reconnect(reason: String)
    case reply(RequestID, Result<AgentReply, AgentError>)
    /// Change the backlog's copy on disk, some time soon: nothing waits for it.
    case keep(BacklogRecord)
    case notice(AgentNotice)
}

/// Something that an operator may want to read.
public enum AgentNotice: Hashable, Sendable {
    case granted(BootID)
    case refused(code: String, reason: String)
    /// The coordinator joined this host and lets it bind nothing.
    case stopped(code: String, reason: String)
    /// What was held before a fence is given up.
    case withdrawing(bindings: Int, ports: Int)
    /// The hold of a stopped VM's identifier is over.
    case holdEnded(SessionNetworkID, VMInterface)
    /// A VM that migrated here has spoken, or one that migrated away has left.
    case arrived(SessionNetworkID, VMInterface)
    case departed(SessionNetworkID, VMInterface)
    /// The running ports that were found without a journal.
    case recovering(ports: Int)
    case recovered(leases: Int, bindings: Int, ports: Int)
    /// A downward message below what was persisted already.
    case stalePosition(received: Position, persisted: Position)
    case staleEpoch(SNIBlock, received: Epoch, held: Epoch)
    /// A lease was taken away under its users; it is kept until they are gone, and nothing is acknowledged till then.
    case leaseRemovedInUse(SNIBlock, users: [VMInterface])
    /// The coordinator routes a block elsewhere that this host leases.
    case remoteOverlapsLease(SNIBlock)
    /// A kernel port that the journal knows nothing of.
    case unknownPort(SessionNetworkID, VMInterface?)
    /// A bound interface whose port is not in the kernel.
    case missingPort(SessionNetworkID, VMInterface)
    case dataplanePending(reason: String)
    case portLeft(SessionNetworkID, PortFailure)
    /// Old intervals without a taker were folded into coarser ones.
    case aggregatesFolded(UInt64)
    case aggregatesDropped(UInt64)
    case journalFailed(reason: String)
    /// A peer's tunnel endpoint answers no echo, only short ones, or all again.
    case pathSilent(IPAddress)
    case pathNarrow(IPAddress)
    case pathAnswers(IPAddress)
}

/// Why the kernel does not carry what was asked.
public struct DataplaneFailure: Error, Hashable, Sendable {
    public var reason: String
    public init(reason: String) { self.reason = reason }
}

/// A port to make, in the overlay's namespace.
public struct PortOrder: Hashable, Sendable {
    public var port: Port
    public var kind: PortRequest
    /// Bytes.
    public var mtu: Int
    public init(port: Port, kind: PortRequest, mtu: Int) {
        self.port = port
        self.kind = kind
        self.mtu = mtu
    }
}

/// A port to take over.
public struct PortMove: Hashable, Sendable {
    public var port: Port
    public var from: String
    /// Path of the namespace that it is in; nil is the host's.
    public var namespace: String?
    /// Bytes.
    public var mtu: Int
    public init(port: Port, from: String, namespace: String?, mtu: Int) {
        self.port = port
        self.from = from
        self.namespace = namespace
        self.mtu = mtu
    }
}

/// A port to take away; only if its mark names this interface (or it has no mark).
public struct PortRemoval: Hashable, Sendable {
    public var sni: SessionNetworkID
    public var interface: VMInterface?
    public init(sni: SessionNetworkID, interface: VMInterface?) {
        self.sni = sni
        self.interface = interface
    }
    /// Name of the port inside the overlay's namespace.
    public var name: String { "sni\(sni.hex)" }
}

/// A port that was made.
public struct PortFacts: Hashable, Sendable {
    public var index: Int
    public init(index: Int) { self.index = index }
}

/// A port found in the overlay's namespace at start, read from its name and its alias.
public struct AdoptedPort: Hashable, Sendable {
    public var sni: SessionNetworkID
    public var index: Int
    /// Nil when the alias does not tell.
    public var interface: VMInterface?
    public var application: ApplicationID?
    /// Address of the VM's interface.
    public var mac: MACAddress?
    public init(
        sni: SessionNetworkID, index: Int, interface: VMInterface?, application: ApplicationID?, mac: MACAddress?
    ) {
        self.sni = sni
        self.index = index
        self.interface = interface
        self.application = application
        self.mac = mac
    }
}
