import AgentCore
import FleetProtocol
import NetworkTypes
import SimulationKit
import Testing

/// Random lives against a coordinator that keeps the rules: launches, removals, marks, crashes, partitions, failures of
/// ports and kernel, in any order and interleaved with half-done journal and kernel work.
@Suite struct PropertyTests {
    /// What the coordinator believes of this one host.
    struct Coordinator {
        struct Lease {
            var order: LeaseOrder
            var removing = false
        }
        var revision: UInt64 = 1
        var leases: [SNIBlock: Lease] = [:]
        var epochs: [SNIBlock: UInt64] = [:]
        var seen = 0
        var connected = false
    }

    static let blocks = (0..<6).map { Rig.block(0x1000 + UInt32($0) * 4) }

    struct World {
        var rig: Rig
        var coordinator = Coordinator()
        var random: SeededGenerator
        var answered: [VMInterface: SessionNetworkID] = [:]
        var calls: [RequestID: VMInterface] = [:]

        init(seed: UInt64) {
            random = SeededGenerator(seed: seed)
            rig = Rig(recordsPerCheckpoint: random.integer(in: 5...40))
            rig.start()
        }

        mutating func send(_ operations: [StateOperation]) {
            coordinator.revision += 1
            guard coordinator.connected else { return }
            rig.submitDelta(coordinator.revision, operations)
        }

        mutating func connect() {
            coordinator.connected = true
            rig.feed(.connected)
            rig.feed(.message(Rig.position(coordinator.revision), .bootGrant(Rig.grant())))
            let held = coordinator.leases.values.filter { !$0.removing }.map(\.order).sorted { $0.block < $1.block }
            let orders = held.map { StateOperation.setLease($0) }
            let update = StateUpdate(isSnapshot: true, baseRevision: 0, operations: orders)
            rig.feed(.message(Rig.position(coordinator.revision), .stateUpdate(update)))
        }

        mutating func disconnect() {
            coordinator.connected = false
            rig.feed(.disconnected)
        }

        mutating func grow() {
            guard let block = PropertyTests.blocks.first(where: { coordinator.leases[$0] == nil }) else { return }
            let epoch = (coordinator.epochs[block] ?? 0) + 1
            coordinator.epochs[block] = epoch
            let application = random.chance(0.5) ? Rig.appA : Rig.appB
            let order = LeaseOrder(
                block: block, application: application, epoch: Epoch(epoch), staged: random.chance(0.5))
            coordinator.leases[block] = .init(order: order)
            send([.setLease(order)])
        }

        mutating func mark() {
            let candidates = coordinator.leases.values.filter { !$0.order.marked && !$0.removing }
            guard var lease = random.pick(from: candidates.sorted { $0.order.block < $1.order.block }) else { return }
            let epoch = (coordinator.epochs[lease.order.block] ?? 0) + 1
            coordinator.epochs[lease.order.block] = epoch
            lease.order.epoch = Epoch(epoch)
            lease.order.marked = true
            lease.order.force = random.chance(0.2)
            coordinator.leases[lease.order.block] = lease
            send([.setLease(lease.order)])
        }

        /// Reads what the agent said since the last time.
        mutating func listen() {
            let fresh = rig.sent[coordinator.seen...]
            coordinator.seen = rig.sent.count
            guard coordinator.connected else { return }
            for message in fresh {
                switch message {
                case .drainAnswer(let answer): hear(answer)
                case .leaseRequest(let request):
                    grow()
                    let granted = LeaseAnswer(request: request.request, outcome: .granted(PropertyTests.blocks[0]))
                    rig.feed(.message(Rig.position(coordinator.revision), .leaseAnswer(granted)))
                case .stateAck(let position) where position.revision == coordinator.revision:
                    for (block, lease) in coordinator.leases where lease.removing { coordinator.leases[block] = nil }
                case .bindingReport(let report) where random.chance(0.5):
                    let ack = CoordinatorMessage.reportAck(
                        journalSequence: report.journalSequence, aggregateSequence: 0)
                    rig.feed(.message(Rig.position(coordinator.revision), ack))
                default: break
                }
            }
        }

        private mutating func hear(_ answer: DrainAnswer) {
            guard var lease = coordinator.leases[answer.block], lease.order.epoch == answer.epoch, !lease.removing
            else { return }
            if answer.outcome == .drained {
                lease.removing = true
                coordinator.leases[answer.block] = lease
                send([.removeLease(answer.block, answer.epoch)])
            } else {
                let epoch = (coordinator.epochs[answer.block] ?? 0) + 1
                coordinator.epochs[answer.block] = epoch
                lease.order.epoch = Epoch(epoch)
                lease.order.marked = false
                lease.order.force = false
                coordinator.leases[answer.block] = lease
                send([.setLease(lease.order)])
            }
        }

        mutating func step() {
            switch random.integer(in: 0...99) {
            case 0..<22:
                let interface = Rig.vm(random.integer(in: 0...9))
                let application = random.chance(0.5) ? Rig.appA : Rig.appB
                let port: PortRequest = random.chance(0.2) ? .later : .tap(owner: nil, group: nil)
                calls[rig.submitAttach(interface, application, port: port)] = interface
            case 22..<36:
                let interface = Rig.vm(random.integer(in: 0...9))
                answered[interface] = nil
                calls = calls.filter { $0.value != interface }
                _ = rig.submitDetach(interface)
            case 36..<40:
                let plug = PlugRequest(interface: Rig.vm(random.integer(in: 0...9)), port: "vnet0")
                rig.feed(.plug(rig.request(), plug))
            case 40..<58: rig.stepJournal()
            case 58..<76: rig.stepKernel()
            case 76..<80: rig.advance(.milliseconds(random.integer(in: 1...90_000)))
            case 80..<84: grow()
            case 84..<89: mark()
            case 89: rig.nextPortFailure = .failed("drawn")
            case 90: rig.nextDataplaneFailure = "drawn"
            case 91..<93: disconnect()
            case 93..<96: if !coordinator.connected { connect() }
            case 96:
                coordinator.connected = false
                rig.crash()
                calls = [:]
            default: listen()
            }
            collect()
        }

        /// Answers that reached their caller; a forced withdrawal takes its own back.
        mutating func collect() {
            for (id, interface) in calls {
                guard let reply = rig.replies[id] else { continue }
                calls[id] = nil
                if let answer = reply.attachment { answered[interface] = answer.sni }
            }
            let forced = coordinator.leases.values.filter(\.order.force).map(\.order.block)
            answered = answered.filter { _, sni in !forced.contains { $0.contains(sni) } }
        }

        func check(_ when: String) throws(PropertyViolation) {
            try hold(rig.problems.isEmpty, "\(when): \(rig.problems)")
            let disk = rig.replayed(rig.disk)
            let holders = Dictionary(grouping: disk.bindings, by: \.binding.sni)
            try hold(holders.values.allSatisfy { $0.count == 1 }, "\(when): an identifier is bound twice")
            for (interface, sni) in answered {
                let held = disk.bindings.first { $0.binding.interface == interface && $0.binding.state == .bound }
                try hold(held?.binding.sni == sni, "\(when): \(interface) was told \(sni), the disk has \(held as Any)")
            }
            for sni in rig.openPorts {
                try hold(rig.ports[sni] != nil, "\(when): \(sni) is open without a port")
            }
        }

        /// Faults end: everything must come to rest with desired and actual equal.
        mutating func calm() {
            rig.nextPortFailure = nil
            rig.nextDataplaneFailure = nil
            if coordinator.connected { disconnect() }
            connect()
            for _ in 0..<60 {
                rig.settle()
                listen()
                rig.settle()
                collect()
                rig.advance(.seconds(7))
            }
        }
    }

    @Test func randomLives() throws {
        try property("random lives of an agent", iterations: 150) { generator in
            var world = World(seed: generator.next())
            world.connect()
            for step in 0..<400 {
                world.step()
                if step % 10 == 0 { try world.check("step \(step)") }
            }
            world.calm()
            try world.check("at rest")
            guard let status = world.rig.status else { throw PropertyViolation("no status") }
            try hold(status.waitingLaunches == 0, "launches still wait")
            try hold(
                status.acknowledged == status.position, "acknowledged \(status.acknowledged) of \(status.position)")
            let leased = Set(status.leases.map(\.lease.block))
            try hold(world.rig.localBlocks == leased, "kernel blocks \(world.rig.localBlocks), leases \(leased)")
            let bound = Set(status.bindings.filter { $0.port != nil }.map(\.binding.sni))
            try hold(world.rig.openPorts == bound, "open ports \(world.rig.openPorts), bindings \(bound)")
            try hold(Set(world.rig.ports.keys) == bound, "ports \(world.rig.ports.keys), bindings \(bound)")
            let marked = status.leases.filter(\.lease.marked)
            try hold(marked.isEmpty, "marks without an answer: \(marked)")
        }
    }
}
