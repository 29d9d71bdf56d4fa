import CoordinatorCore
import Dataplane
import NetworkTypes

/// All invariants from scratch, every so many steps. What it finds, the incremental checks have missed: that is a
/// violation, too, whatever the invariant says.
extension World {
    mutating func checkInFull() {
        guard violation == nil else { return }
        compareHolders()
        checkAllDuplicates()
        checkAllCrossings()
        compareLedger()
        checkFloors()
        guard let found = violation else { return }
        violation?.text = "full check, missed by the incremental one: \(found.text)"
    }

    /// The index that the incremental check keeps, against the kernels.
    private mutating func compareHolders() {
        var holders: [UInt32: Set<Int>] = [:]
        for host in hosts {
            for sni in host.kernel.ports.keys where host.kernel.isActive(sni) {
                holders[sni, default: []].insert(host.index)
            }
        }
        if holders != checks.holders.mapValues(Set.init) {
            violate(0, "the incremental index of bound ports differs from the kernels")
        }
    }

    private mutating func checkAllDuplicates() {
        for (sni, holders) in checks.holders.sorted(by: { $0.key < $1.key }) where holders.count > 1 {
            if isOneMigratingInterface(sni, on: holders) { continue }
            let reached = reachedHolders(of: sni, among: holders)
            if reached.count > 1 { violate(1, "SNI \(sni) on hosts \(holders), third hosts route to \(reached)") }
        }
    }

    private mutating func checkAllCrossings() {
        for source in checks.ports {
            guard let sender = hosts[source.host].kernel.ports[source.sni] else { continue }
            for target in checks.ports {
                guard hosts[target.host].kernel.ports[target.sni]?.application != sender.application else { continue }
                let delivery = deliver(from: source.host, source.sni, to: target.sni, ignoringCuts: true)
                if case .delivered(let host, let receiver) = delivery {
                    checkCrossing(sender, of: source.host, receiver, of: host)
                }
            }
        }
    }

    /// The book of the process that holds the store, against the checker's ledger (invariants 5 and 8).
    private mutating func compareLedger() {
        guard leader >= 0, processes[leader].isAlive else { return }
        let machine = processes[leader].machine
        let capabilities = machine.capabilities()
        let excluded = plan.coordinator.excluded.reduce(0) { $0 + $1.count }
        let capacity = plan.coordinator.pool.reduce(0) { $0 + $1.count } - excluded
        if capabilities.free != capacity - checks.ledger.ownedTotal {
            violate(5, "the book has \(capabilities.free) free, the ledger \(capacity - checks.ledger.ownedTotal)")
        }
        guard let leases = try? machine.leases() else { return violate(5, "leases cannot be listed") }
        let known = checks.ledger.leases.keys.count { $0.size > 1 }
        if leases.count != known { violate(5, "the book has \(leases.count) leases, the ledger \(known)") }
        compareMigrations(machine.migrations())
        for lease in leases {
            let known = checks.ledger.leases[lease.block]
            if known?.host != lease.host || known?.state != lease.state || known?.epoch != lease.epoch {
                violate(5, "the book has \(lease.block) as \(lease.state) at \(lease.epoch), the ledger differs")
            }
        }
        for place in checks.ledger.owners.indices where checks.ledger.owners[place] != nil {
            if checks.ledger.claims[place] == nil, checks.ledger.blocks[place] == nil {
                violate(
                    5, "\(checks.ledger.base + UInt32(place)) is owned without a claim that expires and without a lease"
                )
            }
        }
    }

    /// What is promised to an application by its floor can still be given to it.
    private mutating func checkFloors() {
        let unmet = checks.ledger.floorsUnmet
        if !checks.ledger.checkFloors() { violate(8, "floors promise \(unmet) identifiers more than are free") }
    }
}
