import AgentCore
import FleetProtocol
import NetworkTypes
import SimulationKit

/// What a seed decides about VMs that stop for a while and VMs that move. Drawn apart from the rest of the plan.
struct LifePlan: Sendable {
    /// Share of stops that keep the identifier.
    var holdShare: Double
    /// Mean of the holds, nanoseconds.
    var holdMean: Int64
    /// Mean time between two migrations, nanoseconds; nil for a fleet in which nothing migrates.
    var journeyMean: Int64?
    /// Mean time that the memory of a VM takes to travel, nanoseconds.
    var copyMean: Int64

    init(_ generator: SeededGenerator) {
        var dice = Dice(generator)
        holdShare = dice.pick([0, 0.2, 0.5])
        holdMean = dice.pick([1, 4, 15]) * Time.second
        journeyMean = dice.pick([nil, Time.second, 3 * Time.second, 8 * Time.second])
        copyMean = dice.pick([300, 2000]) * Time.millisecond
    }
}

/// VMs that stop and keep their identifier: Detach with a hold, and what comes after it.
extension World {
    /// The end of a VM, for good or for a while.
    mutating func stop(_ slot: Int) {
        if phase == .safety, holdDice.chance(plan.lives.holdShare) {
            slots[slot].hold = .nanoseconds(holdDice.wait(mean: plan.lives.holdMean))
            keep(slot)
        } else {
            detach(slot)
        }
    }

    mutating func keep(_ slot: Int) {
        slots[slot].phase = .holding
        let (interface, hold) = (slots[slot].interface, slots[slot].hold)
        checks.holdAsked[slots[slot].host].insert(interface)
        call(slot) { .detach($0, interface, hold: hold) }
    }

    mutating func kept(_ slot: Int) {
        observe(kept: slots[slot].interface, as: slots[slot].sni, for: slots[slot].hold, on: slots[slot].host)
        slots[slot].phase = .stopped
        schedule(slot, after: holdDice.wait(mean: plan.lives.holdMean))
    }

    mutating func decideOnStopped(_ slot: Int) {
        guard phase != .liveness else { return }
        guard phase == .safety else {
            // Released, or left to run out.
            if holdDice.chance(0.5) { return detach(slot) }
            return vacate(slot)
        }
        switch holdDice.below(10) {
        case 0...4:
            slots[slot].attempts = 0
            attach(slot)
        case 5, 6:
            probes.hit(.holdExtended)
            slots[slot].hold = .nanoseconds(holdDice.wait(mean: plan.lives.holdMean))
            keep(slot)
        case 7, 8:
            probes.hit(.holdReleased)
            detach(slot)
        default:
            vacate(slot)
            schedule(slot, after: holdDice.wait(mean: plan.pauseMean))
        }
    }
}
