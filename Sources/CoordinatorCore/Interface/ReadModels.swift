public import FleetProtocol
public import Forecasting
public import NetworkTypes
public import SNISpace

public struct ApplicationInfo: Hashable, Sendable {
    public var id: ApplicationID
    public var name: String
    public var policy: ApplicationPolicy
    public var deleting: Bool
    /// Revision of the last change of this application.
    public var revision: UInt64
    public var bound: Int
    public var owned: Int
    public var leased: Int
}

public struct SessionInfo: Hashable, Sendable {
    public var id: SessionID
    public var application: ApplicationID
    public var label: String
    public var ended: Bool
    public var bound: Int
}

public struct ReservationInfo: Hashable, Sendable {
    public var id: ReservationID
    public var application: ApplicationID
    public var range: SNIRange
    public var predicted: Bool
    /// Zero means ended.
    public var expiresIn: Duration
    public var reason: String
}

public struct RangeGrant: Hashable, Sendable {
    public var range: SNIRange
    public var reservation: ReservationInfo
    /// Fewer than asked is a partial grant.
    public var granted: Int
}

public struct ReclaimItem: Hashable, Sendable {
    public var block: SNIBlock
    public var application: ApplicationID
    /// Nil when not leased.
    public var host: HostID?
    /// Reclamation started, or would start.
    public var accepted: Bool
    /// Why not; empty when accepted.
    public var refusal: String
    public var users: [VMInterface]
}

public struct RangeInfo: Hashable, Sendable {
    public var range: SNIRange
    public var application: ApplicationID
    public var reserved: Int
    public var leased: Int
    public var bound: Int
    public var quarantined: Int
}

public struct LeaseInfo: Hashable, Sendable {
    public var block: SNIBlock
    public var application: ApplicationID
    public var host: HostID
    public var epoch: Epoch
    public var state: LeaseState
    public var bound: Int
    public var predicted: Bool
    /// Peers of a staged block between which and its host an echo goes unanswered, in either direction: it is
    /// `staged-partial`.
    public var silentPeers: [HostID] = []
}

public struct Capabilities: Hashable, Sendable {
    public var chunkSize: Int
    public var shuffled: Bool
    public var blockSizes: [Int]
    public var pool: [SNIRange]
    public var excluded: [SNIRange]
    public var overlay: OverlayPlan
    public var free: Int
    public var position: Position
}

public struct Finding: Hashable, Sendable {
    /// Stable code, such as `lease-unknown-to-host`.
    public var code: String
    public var object: String
    public var detail: String
    public var remedy: String
}

public struct CheckReport: Hashable, Sendable {
    public var findings: [Finding]
    public var hostsCompared: Int
    public var blocksCompared: Int
}

public struct VirtualMachineInfo: Hashable, Sendable {
    public var interface: VMInterface
    public var application: ApplicationID
    public var session: SessionID?
    public var host: HostID
    public var sni: SessionNetworkID
    public var servedFrom: ServedFrom
}

/// A migration, and what it waits for.
public struct MigrationInfo: Hashable, Sendable {
    public var migration: Migration
    /// Of the sub-lease.
    public var leaseState: LeaseState?
    /// The source, until it has written down that the identifier leaves; then hosts that have not acknowledged the flip.
    public var waitsFor: [HostID]
}

public enum HostState: String, Hashable, Sendable, CaseIterable {
    case connected, unreachable, refused
    /// Back after handshakes went on without it; counts once it acknowledged a snapshot.
    case repaying
    /// Two machines under one name, or blocks that the book did not know: nothing is bound until an operator decides.
    case frozen
    /// Being cut off, or cut off.
    case fencing, fenced
    /// Back after it was fenced; gives up what it held.
    case withdrawing
    /// Its journal was lost: it adopts what runs and binds nothing new.
    case recovering
    /// Its journal cannot be written: what runs goes on, nothing new is taken in.
    case impaired
}

public struct HostInfo: Hashable, Sendable {
    public var id: HostID
    public var vtep: IPAddress
    public var state: HostState
    public var incarnation: Incarnation
    public var boot: BootID
    /// Blocks leased.
    public var leases: Int
    public var bound: Int
    public var acknowledgedRevision: UInt64
    public var version: String
    public var report: HostReport?
    public var silent: Duration
    /// Why it is frozen, fenced or refused, for people; empty when it is not.
    public var reason: String
    /// The endpoint that it still sends from, while its peers move to ``vtep``.
    public var former: IPAddress?
    /// Peers that have not acknowledged ``vtep`` yet, while there is a ``former``.
    public var awaited: [HostID] = []
}

public struct LaunchCounts: Hashable, Sendable, Codable {
    public var staged: UInt64 = 0
    public var leased: UInt64 = 0
    public var reserved: UInt64 = 0
    public var cold: UInt64 = 0
    public init() {}
}

public struct StatusInfo: Hashable, Sendable {
    public var version: String
    public var position: Position
    public var hosts: Int
    public var hostsConnected: Int
    public var applications: Int
    public var free: Int
    public var reserved: Int
    public var leasedIdle: Int
    public var bound: Int
    public var reclaiming: Int
    public var quarantined: Int
    public var launches: LaunchCounts
    public var uptime: Duration
    /// Blocks that are staged, with every path answering.
    public var blocksStaged: Int
    /// Blocks that are staged, with a path that does not answer.
    public var blocksPartial: Int
    /// Applications that the profiler follows.
    public var profiles: Int
    /// Since the start of the process.
    public var profilesEvicted: Int
    /// Entries of aggregates that named no application, since the start of the process.
    public var unknownEntries: Int
}

/// How much a profile knows.
public typealias ProfileState = Forecasting.ProfileState

public struct HorizonForecastInfo: Hashable, Sendable {
    public var horizon: Duration
    public var concurrent: [Quantile]
    public var peak: [Quantile]
    public var launches: [Quantile]
    /// Identifiers that the peak at the class's quantile implies, in whole blocks.
    public var rangeSize: Int
    /// Probability that more identifiers than held are needed within the horizon.
    public var confidence: Double
    /// Share of past forecasts inside [.1, .9]; nil when not yet known.
    public var coverage80: Double?
    /// Mean pinball loss of past forecasts; nil when not yet known.
    public var loss: Double?
}

public struct ScalingProfileInfo: Hashable, Sendable {
    public var application: ApplicationID
    public var state: ProfileState
    public var samples: Int
    public var current: Int
    public var horizons: [HorizonForecastInfo]
}

/// Why an application is forecast as it is.
public struct ForecastExplanationInfo: Hashable, Sendable {
    public var application: ApplicationID
    public var state: ProfileState
    public var samples: Int
    /// Samples that were not learnt since the coordinator started.
    public var rejected: Int
    /// The baseline is given: it has been better over the last days.
    public var usesBaseline: Bool
    /// Time between two samples of ``series``: its leads and ticks count them.
    public var sampleInterval: Duration
    public var series: SeriesExplanation
    /// Since the season was last brought to a new level; nil if never.
    public var lastShiftAge: Duration?
    /// Names of the leading indicators, in the order of their influences; empty while none was told.
    public var indicators: [String]
}

public struct DecisionInfo: Hashable, Sendable {
    public var application: ApplicationID
    public var mode: PredictionMode
    public var inUse: Int
    public var cooling: Int
    public var pending: Int
    public var floor: Int
    /// Nil when the forecast was not used.
    public var forecast: Double?
    public var target: Int
    public var owned: Int
    public var confidence: Double
    public var threshold: Double
    public var reason: String
}

public struct PlannedReleaseInfo: Hashable, Sendable {
    public var application: ApplicationID
    public var range: SNIRange
    public var startsIn: Duration
    public var reason: String
}
