import FleetProtocol
@_spi(Simulation) import NetworkTypes
import SNISpace

/// The source's word before a migration: its acknowledgement of the update that names the departure. What it had bound by
/// then was reported before, on the same stream.
extension CoordinatorMachine {
    /// A sub-lease is its host's to know of once the source gives the identifier to nobody else.
    func isTold(_ lease: BlockLease) -> Bool {
        guard lease.block.size == 1, let migration = state.migrations[lease.block.first] else { return true }
        if planted.contains(.leaseBeforeDeparture) { return true }
        return migration.isSourceReady || migration.phase != .preparing
    }

    /// An update or snapshot to `host` says that the identifier leaves.
    mutating func awaitDeparture(of sni: SessionNetworkID, from host: HostID, at revision: UInt64) {
        guard let migration = state.migrations[sni], migration.source == host, !migration.isSourceReady else { return }
        live.departing[sni] = revision
    }

    /// `host` reached a revision.
    mutating func advanceDepartures(from host: HostID, at revision: UInt64) {
        for (sni, needed) in live.departing.sorted(by: { $0.key < $1.key }) where needed <= revision {
            // An old book may hear of the arrival first: the VM has left its source then.
            guard let migration = state.migrations[sni], migration.phase == .preparing, !migration.isAborted else {
                live.departing[sni] = nil
                continue
            }
            guard migration.source == host else { continue }
            live.departing[sni] = nil
            let bound = state.bindings.byHost[host]?[sni.rawValue]?.record
            guard bound?.interface == migration.interface, bound?.state == .bound else {
                abort(migration, reason: "the VM is not bound at its source any more")
                continue
            }
            commit(.migration(.sourceReady(sni)))
            live.dirtyBlocks.insert(SNIBlock(single: sni))
        }
    }
}
