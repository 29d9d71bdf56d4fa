import CoordinatorCore
import FleetProtocol
import NetworkTypes
import SNISpace

/// The checker's account of migrations: which identifier is away from its block, and how far it has come.
extension Ledger {
    mutating func apply(_ event: MigrationEvent) -> (invariant: Int, text: String)? {
        switch event {
        case .started(let migration):
            let sni = migration.sni
            if let other = migrations[sni.rawValue] {
                return (2, "\(sni) goes to \(migration.destination) and is not back from \(other.destination)")
            }
            // One that a restored book learns of is over: its block may be on its way out already.
            let isLearnt = migration.phase == .flipped
            if let around = lease(around: sni.rawValue),
                around.host != migration.source || !around.state.isActive && !isLearnt
            {
                return (2, "\(sni) leaves \(migration.source), its block is \(around.state) at \(around.host)")
            }
            migrations[sni.rawValue] = migration
            return nil
        case .sourceReady(let sni):
            migrations[sni.rawValue]?.isSourceReady = true
            return move(sni, from: [.preparing], to: .preparing, isAborted: false)
        case .aborted(let sni):
            return move(sni, from: [.preparing], to: .preparing, isAborted: true)
        case .flipped(let sni):
            migrations[sni.rawValue]?.isSourceReady = true
            return move(sni, from: [.preparing], to: .flipped, isAborted: false)
        case .dropped(let sni): return move(sni, from: [.flipped], to: .dropped, isAborted: false)
        }
    }

    private mutating func move(
        _ sni: SessionNetworkID, from allowed: [Departure.Phase], to phase: Departure.Phase, isAborted: Bool
    ) -> (invariant: Int, text: String)? {
        guard let held = migrations[sni.rawValue] else { return (2, "\(sni) becomes \(phase) and is at home") }
        guard allowed.contains(held.phase) else {
            return (2, "the migration of \(sni) goes from \(held.phase) to \(phase)")
        }
        migrations[sni.rawValue]?.phase = phase
        migrations[sni.rawValue]?.isAborted = isAborted
        return nil
    }

    /// The lease of one identifier is what its migration says, and of its block's application.
    func checkSublease(_ lease: BlockLease, around: Lease?) -> (invariant: Int, text: String)? {
        guard let migration = migrations[lease.block.first.rawValue], migration.destination == lease.host else {
            return (2, "\(lease.block) is sub-leased to \(lease.host), and nothing migrates there")
        }
        guard let around, around.application == lease.application else {
            return (8, "\(lease.block) is sub-leased for \(lease.application), its block is another's")
        }
        return nil
    }

    /// The identifier is inside a lease of the host, or in a sub-lease.
    func isLeased(_ sni: UInt32, to host: HostID) -> Bool {
        if lease(around: sni)?.host == host { return true }
        return sublease(of: sni)?.host == host
    }

    func sublease(of sni: UInt32) -> Lease? {
        migrations[sni] == nil ? nil : SNIBlock(first: SessionNetworkID(unchecked: sni), size: 1).flatMap { leases[$0] }
    }
}
