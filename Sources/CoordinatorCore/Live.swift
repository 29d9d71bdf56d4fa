import Allocation
import DequeModule
import FleetProtocol
import NetworkTypes
import SNISpace

/// What an agent was told: its scopes, leases and remote blocks.
struct HostView: Hashable, Sendable {
    var scopes: [ApplicationID: ScopeState] = [:]
    /// By first identifier.
    var leases: [UInt32: LeaseOrder] = [:]
    var remotes: [UInt32: RemoteBlock] = [:]
    /// Endpoints that nothing may be sent to or taken from.
    var dropped: Set<IPAddress> = []
    /// What it is to send from now, while its endpoint changes.
    var endpoint: IPAddress?
    /// By identifier.
    var departures: [UInt32: Departure] = [:]
}

/// Whether a host takes part in handshakes.
enum Reach: Hashable, Sendable {
    /// Its stream lives and holds a boot grant.
    case connected
    /// Its stream lives, and the snapshot that repays its debts is not acknowledged yet: told everything, waited for
    /// by nobody, leases nothing.
    case repaying
    /// Its stream lives, and its journal cannot be written: it speaks and takes nothing in. Waited for by nobody, leases
    /// nothing; a hello of a process that can write ends it.
    case impaired
    /// A fenced host is back and gives up what it held.
    case withdrawing
    /// No stream for the moment; handshakes wait for it.
    case away
    /// Silent for too long; handshakes go on without it, and a snapshot repays what it missed.
    case unreachable

    /// Handshakes wait for its acknowledgement.
    var takesPart: Bool { self == .connected || self == .away }
    /// It has a stream that carries state.
    var isStreaming: Bool { self == .connected || self == .repaying || self == .impaired || self == .withdrawing }
}

/// What this process knows of a host beyond its record.
struct HostLive: Sendable {
    var reach = Reach.away
    var stream: StreamID?
    var contact: Instant
    /// Why the last hello was refused; nil after a grant.
    var refusal: String?
    /// A second machine that said hello under this name and was refused. A further word of the first freezes both.
    var rival: Claimant?
    /// Who was refused last, for an operator who accepts it.
    var candidate: Candidate?
    /// Its journal was lost: it adopts what runs and binds nothing.
    var isRecovering = false
    /// When the last stream ended.
    var streamEnded: Instant?
    /// Revision of the snapshot that a withdrawing host has to acknowledge.
    var withdrawnAt: UInt64?
    /// What it holds and somebody else has in the book. Its VMs run on, and nothing new is bound there.
    var unadopted: [LeaseRecord] = []
    /// Revision of the update that says the last of its debts; `.max` until it is sent.
    var repaidAt: UInt64?
    /// Revision of the first snapshot of this process, until it is acknowledged: the kernel may carry anything.
    var blindUntil: UInt64?
    /// Nil after a recovery, until the first snapshot: it may carry anything.
    var sent: HostView?
    /// Revision of the last update on this stream.
    var sentRevision: UInt64 = 0
    var acknowledged = Position.zero
    /// Changes sent and not yet acknowledged, by revision.
    var unacknowledged: Deque<Unacknowledged> = []
    /// Blocks whose removal is not acknowledged, with the revision that will say so.
    var removing: [UInt32: UInt64] = [:]
    /// Leases of the last hello.
    var inventory: [LeaseRecord] = []
    var report: HostReport?
    /// Answers to lease requests of this boot.
    var answered: [UInt64: LeaseAnswer] = [:]

    struct Unacknowledged: Hashable, Sendable {
        var revision: UInt64
        var block: UInt32
    }

    init(contact: Instant) { self.contact = contact }
}

/// A stream and, once it said hello and was granted, its host.
struct StreamState: Sendable {
    var identity: AgentIdentity?
    var isGranted = false
}

/// Aggregates of one interval on their way to a fleet-wide sample.
struct SlotFill: Sendable {
    var firstArrival: Instant
    var reports: [HostID: [ApplicationAggregate]] = [:]
}

/// Everything that dies with the process.
struct Live: Sendable {
    var isRecovered = false
    var startedAt = Instant(nanoseconds: 0)
    var revision: UInt64 = 0
    var timers = Timers()
    var hosts: [HostID: HostLive] = [:]
    var streams: [StreamID: StreamState] = [:]
    /// Blocks with leased, staged or marked identifiers by application and host.
    var presence: [ApplicationID: [HostID: Int]] = [:]
    var applicationsOf: [HostID: Set<ApplicationID>] = [:]
    /// Who still has to acknowledge what a block waits for, and the revision that says so.
    var waits: [UInt32: [HostID: UInt64]] = [:]
    /// Hosts whose debt grew in this turn: what is sent last says the last of it.
    var undatedDebts: Set<HostID> = []
    /// Who still has to acknowledge that it dropped the endpoint of a host that is being fenced.
    var fences: [HostID: [HostID: UInt64]] = [:]
    /// Who still has to acknowledge the new endpoint of a host, and the revision that says so.
    var moves: [HostID: [HostID: UInt64]] = [:]
    /// Revision that told a host to send from its new endpoint.
    var switches: [HostID: UInt64] = [:]
    /// Revision by which the source of a migration will have written down that the identifier leaves.
    var departing: [SessionNetworkID: UInt64] = [:]
    /// Who still has to acknowledge where a migrated VM is.
    var flips: [SessionNetworkID: [HostID: UInt64]] = [:]
    var dirtyBlocks: Set<SNIBlock> = []
    var dirtyScopes: Set<ApplicationID> = []
    /// Hosts whose set of applications changed: their view is compared whole.
    var dirtyHosts: Set<HostID> = []
    /// Hosts that just said hello.
    var snapshots: Set<HostID> = []
    var slots: [Int: SlotFill] = [:]
    /// What another source than the agents said last.
    var external: [ApplicationID: ExternalWord] = [:]
    /// When it counted an interval last.
    var beaten: Instant?
    /// Whether that and the agents agreed when both spoke last.
    var agreement: [ApplicationID: Bool] = [:]
    /// Entries of aggregates that named no application, by host.
    var strangers: [HostID: Int] = [:]
    var feed = FeedCounts()
    var communication = CommunicationBook()
    var communicationTidied = 0
    /// What a profiler in another process said last.
    var forecasts: [ApplicationID: ToldForecast] = [:]
    /// Of the coordinator that this profiler follows.
    var followed = Followed()
    /// When the last binding of a block ended.
    var idleSince: [UInt32: Instant] = [:]
    var memories: [ApplicationID: AllocationMemory] = [:]
    /// Where launches go, as far as this process has seen them.
    var places = LaunchPlaces()
    /// Blocks that their hosts were asked for and that their application keeps.
    var recalled = Recalls()
    var decisions: [ApplicationID: AllocationDecision] = [:]
    var decidedAt: Instant?
    /// What decisions asked for and got, by application, newest last.
    var outcomes: [ApplicationID: [DecisionOutcome]] = [:]
    /// Blocks that were asked back from lower classes, by who is short.
    var preempted: [ApplicationID: Set<SNIBlock>] = [:]
    /// Where the search for what to preempt goes on.
    var preemptionRest: PreemptionPlan.Rest?
    /// Launches that wait for a lease that could not be given, by application.
    var refusedLaunches: [ApplicationID: Int] = [:]
}

/// One call of `handle`: what became of it, in the order in which the shell must perform it.
struct Turn: Sendable {
    var now: Instant
    var events: [CoordinatorEvent] = []
    /// Grants, refusals and closed streams: before the state that rests on them.
    var early: [CoordinatorEffect] = []
    var updates: [CoordinatorEffect] = []
    /// Answers: after the state that they speak of.
    var late: [CoordinatorEffect] = []

    /// - Parameter position: where the turn ends. Answers stand there, so that no stream ever goes back.
    func effects(at position: Position) -> [CoordinatorEffect] {
        let answers = late.map { effect in
            guard case .send(let stream, _, let message) = effect else { return effect }
            return CoordinatorEffect.send(stream, position, message)
        }
        return (events.isEmpty ? [] : [.persist(events)]) + early + updates + answers
    }
}
