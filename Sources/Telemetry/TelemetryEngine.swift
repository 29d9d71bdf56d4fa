import FleetProtocol
import NetworkTypes

/// Turns absolute counters of many sources into what each application did between two readings.
///
/// Nothing is negative and nothing is invented: a difference counts when both of its ends are known to belong together,
/// everything else is left out and counted as a gap (``CounterBook`` has the table). Memory is bounded by what the host
/// carries: one entry per bound identifier, leased block, process of a VM and pair of the flow set, whose sum
/// ``flowsMax`` limits.
public struct TelemetryEngine: Sendable {
    /// Pairs that are remembered; those beyond are gaps of their application.
    public static let flowsMax = 1 << 18
    /// A pair that is missing in so many dumps in a row is forgotten: a single dump can be short.
    static let flowPatience = 3

    struct TaskKey: Hashable {
        var process: Int32
        var began: Instant
    }
    struct Task {
        var sni: SessionNetworkID
        var application: ApplicationID
    }
    struct Flow {
        var counter: PairCounter
        /// Number of the dump that showed it last.
        var seen: Int
    }

    /// Time between two readings above which some were missed.
    let patience: Duration
    var targets = TelemetryTargets()
    var previous: Instant?

    var ports = CounterBook<SessionNetworkID, TrafficCounters>()
    /// Application of each port that was read: it may be unbound by the next reading.
    var portOwners: [SessionNetworkID: ApplicationID] = [:]
    /// Ports that the last readings lacked.
    var missedPorts: Set<SessionNetworkID> = []
    var tunnels = CounterBook<SessionNetworkID, TunnelCounters>()
    /// Blocks that came with the last change of ``targets``, after the first reading.
    var newBlocks: Set<SessionNetworkID> = []
    var tasks = CounterBook<TaskKey, CPUCounter>()
    var taskOwners: [TaskKey: Task] = [:]
    /// By source, destination and family in one number.
    var flows: [UInt64: Flow] = [:]
    var flowsAt: Instant?
    var flowDumps = 0
    var unattributed = CounterBook<UInt8, PairCounter>()

    /// - Parameter interval: between two readings.
    public init(interval: Duration) {
        patience = interval * 3 / 2
    }

    /// Pairs that are remembered now.
    public var flowCount: Int { flows.count }

    /// Takes one reading. Readings must be given in the order of their time.
    public mutating func take(_ reading: TelemetryReading, targets now: TelemetryTargets) -> TelemetryStep {
        if now.revision != targets.revision || previous == nil { adopt(now) }
        var step = TelemetryStep()
        takePorts(reading, into: &step)
        takeTunnels(reading, into: &step)
        takeTasks(reading, into: &step)
        takeFlows(reading, into: &step)
        newBlocks = []
        previous = reading.at
        return step
    }

    private mutating func adopt(_ now: TelemetryTargets) {
        if previous != nil { newBlocks = Set(now.blocks.keys).subtracting(targets.blocks.keys) }
        targets = now
        tunnels.keep { now.blocks[$0] != nil }
    }

    // MARK: Ports

    private mutating func takePorts(_ reading: TelemetryReading, into step: inout TelemetryStep) {
        var vanished = portOwners
        for port in reading.endedPorts {
            if let application = owner(of: port) { count(port, of: application, at: reading.at, into: &step) }
            ports.forget(port.sni)
            portOwners[port.sni] = nil
            vanished[port.sni] = nil
            missedPorts.remove(port.sni)
        }
        for sni in reading.unreadPorts {
            vanished[sni] = nil
            missedPorts.insert(sni)
            guard let application = portOwners[sni] ?? targets.applications[sni] else { continue }
            step.applications[application, default: .init()].gaps.unread += 1
        }
        for port in reading.ports ?? [] {
            vanished[port.sni] = nil
            guard let application = owner(of: port) else { continue }
            count(port, of: application, at: reading.at, into: &step)
            portOwners[port.sni] = application
        }
        // Gone without its last word: what such a port counted since its last reading is not known.
        for (sni, application) in vanished {
            step.applications[application, default: .init()].gaps.unread += 1
            ports.forget(sni)
            portOwners[sni] = nil
            missedPorts.remove(sni)
        }
    }

    private func owner(of port: PortReading) -> ApplicationID? {
        let known = ports[port.sni]?.identity == port.device ? portOwners[port.sni] : nil
        return port.application ?? known ?? targets.applications[port.sni]
    }

    private mutating func count(
        _ port: PortReading, of application: ApplicationID, at now: Instant, into step: inout TelemetryStep
    ) {
        if let before = ports[port.sni], before.identity != port.device, let owner = portOwners[port.sni] {
            // The device before went without its last word.
            step.applications[owner, default: .init()].gaps.unread += 1
        }
        let outcome = ports.take(
            port.sni, identity: port.device, port.counters, isNew: port.isNew, at: now, patience: patience)
        // A new port has no reading before this one to tell that some were missed.
        if missedPorts.remove(port.sni) != nil, case .counted(_, late: false) = outcome {
            step.applications[application, default: .init()].gaps.late += 1
        }
        guard let delta = step.applications[application, default: .init()].gaps.note(outcome) else { return }
        let sum = step.applications[application]?.traffic ?? .zero
        step.applications[application]?.traffic = sum.adding(delta)
    }

    // MARK: Tunnels

    private mutating func takeTunnels(_ reading: TelemetryReading, into step: inout TelemetryStep) {
        guard let rows = reading.tunnels else {
            for application in targets.blocks.values {
                step.applications[application, default: .init()].gaps.unread += 1
            }
            return
        }
        for row in rows {
            guard let application = targets.blocks[row.vni] else { continue }
            let outcome = tunnels.take(
                row.vni, identity: reading.tunnelDevice, row.counters, isNew: newBlocks.contains(row.vni),
                at: reading.at, patience: patience)
            guard let delta = step.applications[application, default: .init()].gaps.note(outcome) else { continue }
            let sum = step.applications[application]?.tunnel ?? .zero
            step.applications[application]?.tunnel = sum.adding(delta)
        }
    }
}

extension TelemetryGaps {
    /// Counts what is missing, and returns what is there.
    mutating func note<Key, Value>(_ outcome: CounterBook<Key, Value>.Outcome) -> Value? {
        switch outcome {
        case .counted(let value, let isLate):
            if isLate { late += 1 }
            return value
        case .unbased: unbased += 1
        case .reset: reset += 1
        }
        return nil
    }
}
