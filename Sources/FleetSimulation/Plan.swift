import CoordinatorCore
import NetworkTypes
import SimulationKit

/// Kinds of trouble. A run draws some of them and leaves the others out (swarm testing): rare combinations come up
/// that a fixed mix would never show.
public enum FaultKind: UInt8, CaseIterable, Sendable {
    /// SIGKILL, and a restart some time later.
    case agentKill
    /// SIGSTOP for a while.
    case agentPause
    /// The host loses its kernel and unsynced writes, and boots again.
    case hostReboot
    case coordinatorKill
    case coordinatorPause
    /// Another process takes the store while the old one still runs.
    case leaderChange
    case streamBreak
    /// An agent and the coordinator cannot reach each other.
    case partition
    /// Two hosts cannot reach each other.
    case hostPartition
    /// One direction between an agent and the coordinator becomes slow.
    case latencySpike
    case kernelFailure
    case kernelSlow
    case journalFull
    case journalSlow
    case storeFull
    case storeSlow
    case wallStep
    /// A VM process dies, or all those of a host.
    case vmCrash
    /// The journal is gone when the agent starts again.
    case journalLoss
    /// The journal on the disk is another machine's.
    case journalForeign
    /// The host's disk is put back from an older snapshot, and the host boots from it.
    case journalRollback
    /// A copy of a host's disk starts elsewhere while the original reports.
    case clone
    /// A host is installed anew under its old name.
    case reimage
    /// The coordinator's store is put back from an old backup.
    case restoreBackup
    /// The agent's journal is damaged somewhere when it starts again: only what stands before that is good.
    case journalDamage
    /// Between two hosts only short packets pass.
    case narrowPath
    /// The agent starts again with another tunnel endpoint; the machine has both addresses.
    case endpointChange
}

/// Everything that a seed decides before the first event.
public struct Plan: Sendable {
    public var hosts: Int
    public var applications: Int
    public var slotsPerHost: Int
    public var faults: [FaultKind]
    /// Mean time between two faults, nanoseconds.
    var faultMean: Int64
    /// How long faults last, nanoseconds.
    var faultLength: Int64
    /// Mean life of a VM and pause between two in a slot, nanoseconds.
    var lifeMean: Int64
    var pauseMean: Int64
    var packetMean: Int64
    var operatorMean: Int64
    var clientPatience: Int64
    var tickMax: Int64
    var auditInterval: Int64
    var recordsPerCheckpoint: Int
    var eventsPerSnapshot: Int
    /// Every so many steps all invariants are checked in full.
    var fullCheckEvery: Int
    var coordinator: CoordinatorConfiguration
    var lives: LifePlan
    /// Between two rounds of echoes through the tunnels; nil for a fleet without.
    var echoInterval: Duration?

    static let hostsMax = 12

    /// - Parameter extra: kinds that come whatever the seed draws.
    public init(seed: UInt64, hosts: Int? = nil, extra: [FaultKind] = []) {
        var dice = Dice(SeededGenerator(seed: seed).fork(1))
        self.hosts = min(max(hosts ?? dice.between(3, 7), 2), Self.hostsMax)
        applications = dice.between(2, 4)
        slotsPerHost = dice.between(3, 8)
        let likely = dice.pick([0.15, 0.35, 0.6])
        let drawn = FaultKind.allCases.filter { !$0.isDrawnApart }.filter {
            $0.isRare ? dice.chance(likely / 4) : dice.chance(likely)
        }
        faults = drawn.filter { !extra.contains($0) } + extra
        faultMean = dice.pick([1, 3, 8]) * Time.second
        faultLength = dice.pick([1, 4, 15]) * Time.second
        lifeMean = dice.pick([2, 5, 15]) * Time.second
        pauseMean = dice.pick([1, 2, 6]) * Time.second
        packetMean = dice.pick([10, 20, 40]) * Time.millisecond
        operatorMean = dice.pick([1, 4, 10]) * Time.second
        clientPatience = dice.pick([2, 8]) * Time.second
        tickMax = dice.pick([100, 250]) * Time.millisecond
        auditInterval = dice.pick([5, 30]) * Time.second
        recordsPerCheckpoint = dice.pick([32, 200, 8192])
        eventsPerSnapshot = dice.pick([100, 1000, 5000])
        fullCheckEvery = 1000
        coordinator = Self.configuration(&dice)
        lives = LifePlan(SeededGenerator(seed: seed).fork(9))
        var apart = Dice(SeededGenerator(seed: seed).fork(12))
        echoInterval = apart.pick([nil, .seconds(1), .seconds(4)])
        let more = FaultKind.allCases.filter(\.isDrawnApart).filter { _ in apart.chance(likely / 4) }
        faults += more.filter { !extra.contains($0) && ($0 != .narrowPath || echoInterval != nil) }
    }

    private static func configuration(_ dice: inout Dice) -> CoordinatorConfiguration {
        let chunks = dice.between(2, 6)
        let pool = SNIRange(unchecked: 4096, count: chunks * 256)
        let excluded =
            dice.chance(0.3) ? [SNIRange(unchecked: 4096 + UInt32(dice.below(chunks * 256 - 16)), count: 9)] : []
        let interval = dice.pick([2, 5])
        let unreachable = dice.pick([6, 12])
        return CoordinatorConfiguration(
            pool: [pool], excluded: excluded, chunkSize: 256, blockSize: dice.pick([4, 8, 16]),
            aggregateInterval: .seconds(interval), decisionInterval: .seconds(dice.pick([5, 10])),
            leadTime: .seconds(2), horizons: [.seconds(20), .seconds(60)], cooldown: .seconds(dice.pick([3, 6])),
            quarantine: .seconds(dice.pick([4, 10])), reservationLifetime: .seconds(dice.pick([40, 120])),
            standardLifetime: .seconds(dice.pick([10, 30])), bindUntil: .seconds(dice.pick([40, 200])),
            unreachableAfter: .seconds(max(interval, unreachable)), drainTimeout: .seconds(dice.pick([1, 2, 5, 15])),
            dayLength: .seconds(120), version: "sim")
    }
}

extension FaultKind {
    /// Kinds that change a whole run and would drown the others if they were common.
    var isRare: Bool {
        switch self {
        case .journalLoss, .journalForeign, .journalRollback, .clone, .reimage, .restoreBackup, .journalDamage: true
        default: false
        }
    }

    /// Kinds that leave the rest of what a seed decides as it was without them.
    var isDrawnApart: Bool { self == .journalDamage || self == .narrowPath || self == .endpointChange }
}
