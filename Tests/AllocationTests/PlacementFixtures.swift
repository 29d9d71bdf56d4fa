import NetworkTypes
import SimulationKit

@testable import Allocation

/// An orchestrator that is made up: where it puts the VMs of one application in a fleet that others use too.
struct MadeUpOrchestrator {
    enum Kind: CaseIterable {
        case spreads, packs, sticks, draws

        var order: PlacementOrder? {
            switch self {
            case .spreads: .spread
            case .packs: .pack
            case .sticks: .recent
            case .draws: nil
            }
        }
    }

    let kind: Kind
    var load: FleetLoad
    var prior: PlacementPrior
    var habit = PlacementHabit()
    private(set) var vms: [Int: Int] = [:]
    private var recent: [Int: Double] = [:]
    private var favourite: Int?

    init(_ kind: Kind, hosts: Int, prior: PlacementPrior = PlacementPrior(), _ generator: inout SeededGenerator) {
        self.kind = kind
        self.prior = prior
        var totals: [HostID: Int] = [:]
        for index in 0..<hosts { totals[host("h\(index)")] = generator.integer(in: 0...20) }
        load = FleetLoad(totals, peak: 30)
    }

    var own: ApplicationLoad {
        ApplicationLoad(
            Set(vms.keys).union(recent.keys).map { .init(host: $0, vms: vms[$0] ?? 0, recent: recent[$0] ?? 0) })
    }

    private mutating func choose(_ generator: inout SeededGenerator) -> Int {
        let own = own
        var chosen = generator.integer(in: 0...load.count - 1)
        switch kind {
        case .spreads:
            own.visit(.spread, load) {
                chosen = $0
                return false
            }
        case .packs:
            own.visit(.pack, load) {
                chosen = $0
                return false
            }
        case .sticks:
            // Now and then one goes elsewhere.
            favourite = favourite ?? chosen
            if !generator.chance(0.1), let favourite { chosen = favourite }
        case .draws: break
        }
        return chosen
    }

    /// Others come and go, and one is launched.
    mutating func launch(at now: Instant, _ generator: inout SeededGenerator) {
        for _ in 0..<4 {
            let name = load.hosts[generator.integer(in: 0...load.count - 1)]
            load.add(generator.chance(0.5) ? 1 : -1, on: name)
        }
        let host = choose(&generator)
        habit.learn(PlacementRanks(of: host, own, load), hosts: load.count, prior: &prior, at: now)
        load.add(1, on: load.hosts[host])
        vms[host, default: 0] += 1
        for key in recent.keys { recent[key, default: 0] *= 0.98 }
        recent[host, default: 0] += 1
    }
}

func advice(target: Int = 0, extra: Int = 0) -> MarginalAdvice {
    guard
        let advice = MarginalAdvice(target: target, extra: extra, inUse: 0, price: 0.01, divisor: 1, floorMax: extra)
    else { preconditionFailure("no advice of \(target)") }
    return advice
}
