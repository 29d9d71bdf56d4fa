import AgentCore
import FleetProtocol
import NetworkTypes

/// What one host's journal says, folded by the checker's own rules and by nothing of the machine's.
struct JournalView {
    struct Lease {
        var application: ApplicationID
        var epoch: Epoch
        var isMarked: Bool
        var isForced: Bool
        /// Drained at ``epoch``: nothing is bound here again before a higher one.
        var isDrained = false
        /// Taken away under its users.
        var isOrphan = false
        /// A sub-lease: the VM that it is for, until the coordinator knows that it came.
        var incoming: VMInterface?
    }
    struct Binding {
        var interface: VMInterface
        var sequence: UInt64
        var isCooling: Bool
        /// The port is handed over later.
        var isLater: Bool
        /// Kept for a stopped VM: no port, and not to be handed out.
        var isHeld = false
        /// For how long, nanoseconds, and the record that says so.
        var hold: Int64 = 0
        var heldSequence: UInt64 = 0
        /// The record that gave it back.
        var endSequence: UInt64 = 0
        /// Its block was asked back by force.
        var isForced = false
    }

    /// Identity that the running process speaks with.
    var identity: AgentIdentity?
    var granted: AgentIdentity?
    var isRefused = false
    /// Joined, and not to bind anything.
    var isStopped = false
    /// Why it was refused or stopped last; empty with a grant.
    var stopCode = ""
    var isRecovering = false
    var cooldown: Int64 = 0
    var position = Position.zero
    /// The coordinator has acknowledged the records up to here.
    var reported: UInt64 = 0
    var leases: [SNIBlock: Lease] = [:]
    var bindings: [UInt32: Binding] = [:]
    /// Identifiers of own blocks that move, or moved, to another host.
    var departures: [UInt32: Departure] = [:]
    /// Identifiers whose guest was heard here, after a migration.
    var arrived: Set<UInt32> = []

    /// The lease around an identifier: the smallest block that contains it.
    func lease(around sni: UInt32) -> (block: SNIBlock, lease: Lease)? {
        var size = 1
        while size <= 256 {
            let first = SessionNetworkID(unchecked: sni & ~UInt32(size - 1))
            if let block = SNIBlock(first: first, size: size), let lease = leases[block] { return (block, lease) }
            size *= 2
        }
        return nil
    }

    func hasSublease(of sni: UInt32) -> Bool {
        SNIBlock(first: SessionNetworkID(unchecked: sni), size: 1).map { leases[$0] != nil } ?? false
    }

    private func isOccupied(_ block: SNIBlock) -> Bool {
        guard !bindings.isEmpty else { return false }
        for sni in block.first.rawValue..<block.range.end where bindings[sni] != nil { return true }
        return false
    }

    mutating func apply(_ record: JournalRecord, sequence: UInt64) {
        switch record {
        case .grant(_, let grant, _):
            granted = grant.identity
            isRefused = false
            isStopped = false
            stopCode = ""
            cooldown = grant.cooldown.inNanoseconds
        case .stopped(_, let grant, _, let code, _):
            granted = grant.identity
            stopCode = code
            isRefused = false
            isStopped = true
            cooldown = grant.cooldown.inNanoseconds
        case .held(let sni, let hold): keep(sni.rawValue, for: hold.inNanoseconds, sequence: sequence)
        case .refused(let code, _):
            isRefused = true
            stopCode = code
        case .contact, .plugged: break
        case .arrived(let sni): arrived.insert(sni.rawValue)
        case .resting: break
        case .reported(let sequence): reported = max(reported, sequence)
        case .update(let at, let update):
            // Numbers start over with a new generation; promises stay.
            if at.generation > position.generation, update.isSnapshot {
                for block in leases.keys { leases[block]?.epoch = Epoch(0) }
            }
            position = max(position, at)
            apply(update)
        case .bound(let bound):
            bindings[bound.binding.sni.rawValue] = Binding(
                interface: bound.binding.interface, sequence: sequence, isCooling: false, isLater: bound.port == .later)
        case .unbound(let sni):
            bindings[sni.rawValue]?.isCooling = true
            bindings[sni.rawValue]?.endSequence = sequence
            arrived.remove(sni.rawValue)
        case .ended(let sni):
            bindings[sni.rawValue] = nil
            guard let (block, lease) = lease(around: sni.rawValue), lease.isOrphan, !isOccupied(block) else { return }
            leases[block] = nil
        case .drained(let block, let epoch):
            if leases[block]?.epoch == epoch { leases[block]?.isDrained = true }
        case .recovering(let flag): isRecovering = flag
        case .checkpoint(let checkpoint): restore(checkpoint, sequence: sequence)
        }
    }

    private mutating func apply(_ update: StateUpdate) {
        var named: Set<SNIBlock> = []
        for operation in update.operations {
            switch operation {
            case .setLease(let order):
                named.insert(order.block)
                set(order)
            case .removeLease(let block, let epoch):
                if let held = leases[block], epoch >= held.epoch { remove(block) }
            case .setDeparture(let departure): departures[departure.sni.rawValue] = departure
            case .removeDeparture(let sni, _): departures[sni.rawValue] = nil
            default: break
            }
        }
        guard update.isSnapshot else { return }
        forgetDepartures(butOf: update)
        for block in leases.keys.sorted() where !named.contains(block) && leases[block]?.isOrphan == false {
            remove(block)
        }
    }

    private mutating func set(_ order: LeaseOrder) {
        var drained = false
        if let held = leases[order.block] {
            guard order.epoch >= held.epoch else { return }
            if held.application != order.application, isOccupied(order.block) {
                leases[order.block]?.isOrphan = true
                return
            }
            drained = held.isDrained && held.epoch == order.epoch
        }
        leases[order.block] = Lease(
            application: order.application, epoch: order.epoch, isMarked: order.marked, isForced: order.force,
            isDrained: drained, incoming: order.incoming)
        guard order.marked, order.force else { return }
        for sni in order.block.first.rawValue..<order.block.range.end { bindings[sni]?.isForced = true }
    }

    private mutating func remove(_ block: SNIBlock) {
        if isOccupied(block) { leases[block]?.isOrphan = true } else { leases[block] = nil }
    }

    private mutating func restore(_ checkpoint: Checkpoint, sequence: UInt64) {
        granted = checkpoint.grant?.identity
        cooldown = checkpoint.grant?.cooldown.inNanoseconds ?? cooldown
        isRefused = checkpoint.refusal != nil && !isStopped
        stopCode = checkpoint.refusal?.code ?? stopCode
        isRecovering = checkpoint.recovering
        position = checkpoint.position
        reported = checkpoint.reported
        let earlier = bindings
        leases = [:]
        bindings = [:]
        for order in checkpoint.leases { set(order) }
        for order in checkpoint.orphans {
            set(order)
            leases[order.block]?.isOrphan = true
        }
        for record in checkpoint.drained where leases[record.block]?.epoch == record.epoch {
            leases[record.block]?.isDrained = true
        }
        for bound in checkpoint.bindings {
            let sni = bound.binding.sni.rawValue
            bindings[sni] = Binding(
                interface: bound.binding.interface, sequence: earlier[sni]?.sequence ?? sequence,
                isCooling: bound.binding.state == .cooling, isLater: bound.port == .later,
                isHeld: bound.binding.state == .held)
        }
        restoreMoves(checkpoint, sequence: sequence, earlier: earlier)
    }
}
