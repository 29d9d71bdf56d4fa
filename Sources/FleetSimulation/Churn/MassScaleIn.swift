import NetworkTypes
import SNISpace

/// Every application stops nine of ten VMs at one moment, whole hosts first, and nothing is launched: how fast what
/// they held comes back, with every acknowledgement awaited and some peers unreachable.
public struct MassScaleIn: Hashable, Sendable {
    /// VMs stopped.
    public var stopped = 0
    /// Identifiers that returned to the free space.
    public var freed = 0
    /// From the stop until 95 % of them were free: cooldown, drain, removal and quarantine included.
    public var duration = Duration.zero
    /// From the moment when 5 % were free until 95 % were: what the handshake itself allows.
    public var flow = Duration.zero
    /// Removals that unreachable peers owed in the run and in the scale-in.
    public var debts = 0
    /// Identifiers of drainable blocks not free at the end: their hosts cannot be reached.
    public var waiting = 0

    /// Identifiers per second over the whole way, waiting times included.
    public var sustainedRate: Double { rate(0.95, duration) }
    /// Identifiers per second while they come back.
    public var flowRate: Double { rate(0.9, flow) }

    private static let step = Duration.seconds(1)
    private static let stopShare = 0.9
    private static let lengthMax = Duration.seconds(1800)
    /// Longer than cooldown and quarantine: without a free for that long nothing is on its way.
    private static let quiet = Duration.seconds(180)

    init(_ simulation: ChurnSimulation) throws(BookError) {
        var scheme = simulation.locality
        let start = simulation.now
        stopped = Self.scaleIn(&scheme, vms: simulation.random.bound.map { $0?.seat }, at: start)
        let before = scheme.counts.freedIdentifiers
        var now = start
        var last = start
        var curve: [(after: Duration, freed: Int)] = []
        while now < start + Self.lengthMax, now < last + Self.quiet {
            now = now + Self.step
            try scheme.advance(to: now)
            for seat in scheme.states.indices { try scheme.review(seat, hold: .zero, at: now) }
            let freed = scheme.counts.freedIdentifiers - before
            if freed != curve.last?.freed ?? 0 { last = now }
            curve.append((now - start, freed))
        }
        freed = curve.last?.freed ?? 0
        let total = Double(freed)
        func reached(_ share: Double) -> Duration { curve.first { Double($0.freed) >= total * share }?.after ?? .zero }
        duration = reached(0.95)
        flow = max(Self.step, reached(0.95) - reached(0.05))
        debts = scheme.reclaimer.debtTotal
        waiting = scheme.states.flatMap(\.blocks).filter { $0.bound == 0 }.reduce(0) { $0 + $1.block.size }
    }

    private static func scaleIn(_ scheme: inout LocalityScheme, vms: [Int?], at now: Instant) -> Int {
        var bySeat: [Int: [Int]] = [:]
        var left: [Int: Int] = [:]
        for (vm, seat) in vms.enumerated() {
            guard let seat else { continue }
            bySeat[seat, default: []].append(vm)
            left[scheme.seats[seat].application, default: 0] += 1
        }
        var quota = left.mapValues { Int(Double($0) * stopShare) }
        var stopped = 0
        for seat in bySeat.keys.sorted() {
            let application = scheme.seats[seat].application
            for vm in (bySeat[seat] ?? []).prefix(quota[application] ?? 0) {
                scheme.stop(vm: vm, seat: seat, at: now)
                quota[application, default: 0] -= 1
                stopped += 1
            }
        }
        return stopped
    }

    private func rate(_ share: Double, _ duration: Duration) -> Double {
        duration > .zero ? share * Double(freed) / duration.inSeconds : 0
    }
}
