import AgentCore
import FleetProtocol
import NetworkTypes

/// What a journal says of VMs that stopped for a while and of VMs that moved.
extension JournalView {
    mutating func keep(_ sni: UInt32, for hold: Int64, sequence: UInt64) {
        bindings[sni]?.isHeld = true
        bindings[sni]?.hold = hold
        bindings[sni]?.heldSequence = sequence
    }

    /// A snapshot names every departure that there is.
    mutating func forgetDepartures(butOf update: StateUpdate) {
        departures = [:]
        for case .setDeparture(let departure) in update.operations { departures[departure.sni.rawValue] = departure }
    }

    mutating func restoreMoves(_ checkpoint: Checkpoint, sequence: UInt64, earlier: [UInt32: Binding]) {
        departures = [:]
        for departure in checkpoint.departures { departures[departure.sni.rawValue] = departure }
        arrived = Set(checkpoint.arrived.map(\.rawValue))
        for held in checkpoint.holds {
            let known = earlier[held.sni.rawValue].flatMap { $0.isHeld ? $0.heldSequence : nil }
            keep(held.sni.rawValue, for: held.hold.inNanoseconds, sequence: known ?? sequence)
        }
    }

    /// The port of the interface goes because its VM runs elsewhere.
    func hasLeft(_ sni: UInt32, _ interface: VMInterface) -> Bool {
        guard let departure = departures[sni], departure.phase != .preparing else { return false }
        return departure.interface == interface
    }
}
