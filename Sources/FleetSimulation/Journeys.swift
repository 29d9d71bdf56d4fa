import AgentCore
import CoordinatorCore
import Dataplane
import FleetProtocol
import NetworkTypes
import SNISpace

/// A VM on its way to another host, as the two hypervisors and the operator see it.
///
/// | phase | event | next |
/// |---|---|---|
/// | asking | the coordinator agrees | waiting |
/// | asking | it does not, or cannot be heard | over, or waiting when its list has the migration after all |
/// | waiting | the sub-lease is staged, or impatience | attaching |
/// | attaching | the destination answers with the VM's own identifier | copying, or plugging for a later port |
/// | attaching | another identifier, a refusal, no answer | leaving, or once more |
/// | copying | time | moved: the VM runs at the destination, and speaks |
/// | before that | the VM ends, an end dies, the port is gone, patience ends | leaving |
/// | moved | its port is open there | clearing |
/// | moved | the port is gone, or stays closed | the VM crashes; clearing |
/// | clearing | what is left at the source is detached, or is gone | over |
/// | leaving | what was made at the destination is detached | over; aborted now, or by whoever looks after it |
struct Journey {
    enum Phase { case asking, waiting, attaching, plugging, copying, moved, clearing, leaving }
    var slot: Int
    var interface: VMInterface
    var application: ApplicationID
    var sni: SessionNetworkID
    var comesLater: Bool
    var source: Int
    var destination: Int
    var phase = Phase.asking
    var isOver = false
    var hasAttached = false
    /// The source's hypervisor tells its agent that the VM left; else only the coordinator does.
    var callsHook: Bool
    var rounds = 0
    var ticket: UInt32 = 0
    /// Call under way and the host that it was made on; 0 without one.
    var call: UInt64 = 0
    var callHost = 0
    /// When patience ends.
    var deadline: Int64
}

extension World {
    /// Nobody waits longer than this for one step of a migration, nanoseconds.
    private var journeyPatience: Int64 { 15 * Time.second }

    func isTravelling(_ slot: Int) -> Bool { journeys.contains { !$0.isOver && $0.slot == slot } }

    /// Interfaces that a migration has made, or left, on a host.
    func travellers(at host: Int) -> [VMInterface] {
        journeys.filter { !$0.isOver && ($0.source == host || $0.destination == host) }.map(\.interface)
    }

    // MARK: The operator

    /// In the operator's rhythm: a VM is sent away, or a migration is ended, or asked for once more.
    mutating func migrateSomebody() {
        guard phase == .safety, let mean = plan.lives.journeyMean else { return }
        queue.put(.migrate, 0, at: now + journeyDice.wait(mean: mean))
        if journeyDice.chance(0.3) { mendMigrations() }
        if journeyDice.chance(0.15), let some = knownMigrations.randomElement(&journeyDice) {
            if some.migration.phase != .preparing { probes.hit(.abortRefused) }
            return command(.abortMigration(some.migration.interface, reason: "by hand"), .release)
        }
        if journeyDice.chance(0.1), let some = knownMigrations.randomElement(&journeyDice) {
            // The same once more, or to another place.
            let host = hosts[journeyDice.below(plan.hosts)].name
            return command(.migrate(some.migration.interface, to: host), .release)
        }
        let slot = journeyDice.below(slots.count)
        let destination = journeyDice.below(plan.hosts)
        // The coordinator may not have heard yet that a VM stopped.
        guard slots[slot].phase == .running || slots[slot].phase == .stopped, slots[slot].host != destination,
            !isTravelling(slot),
            let sni = slots[slot].sni
        else { return }
        let application = hosts[slots[slot].host].kernel.links[sni.rawValue]?.application
        let journey = Journey(
            slot: slot, interface: slots[slot].interface,
            application: application ?? applications[slots[slot].application].id, sni: sni,
            comesLater: slots[slot].comesLater, source: slots[slot].host, destination: destination,
            callsHook: journeyDice.chance(0.7), deadline: now + journeyPatience)
        journeys.append(journey)
        command(.migrate(journey.interface, to: hosts[destination].name), .migrate(journeys.count - 1))
        goOn(journeys.count - 1, after: journeyDice.time(Time.second, 4 * Time.second))
    }

    /// What the coordinator lists, when it can be asked.
    private var knownMigrations: [MigrationInfo] {
        guard leader >= 0, processes[leader].isAlive, processes[leader].pausedUntil <= now else { return [] }
        return processes[leader].machine.migrations()
    }

    /// Migrations that no hypervisor goes on with are ended.
    mutating func mendMigrations() {
        for info in knownMigrations where info.migration.phase == .preparing && !info.migration.isAborted {
            let migration = info.migration
            let isUnderWay = journeys.contains { !$0.isOver && $0.sni == migration.sni }
            if !isUnderWay { command(.abortMigration(migration.interface, reason: "nobody comes"), .release) }
        }
    }

    mutating func permitted(_ index: Int) {
        guard journeys[index].phase == .asking, !journeys[index].isOver else { return }
        journeys[index].phase = .waiting
        goOn(index, after: journeyDice.time(10, 200) * Time.millisecond)
    }

    mutating func forbidden(_ index: Int) {
        guard journeys[index].phase == .asking else { return }
        probes.hit(.migrationRefused)
        journeys[index].isOver = true
    }

    // MARK: The hypervisors

    private mutating func goOn(_ index: Int, after wait: Int64) {
        journeys[index].ticket &+= 1
        queue.put(.journey, index, ticket: journeys[index].ticket, at: now + wait)
    }

    mutating func travel(_ index: Int, ticket: UInt32) {
        let journey = journeys[index]
        guard journey.ticket == ticket, !journey.isOver else { return }
        dropCall(index)
        switch journey.phase {
        case .asking, .waiting, .attaching, .plugging, .copying: prepare(index)
        case .moved: settle(index)
        case .clearing: clear(index)
        case .leaving: leave(index)
        }
    }

    private mutating func prepare(_ index: Int) {
        let journey = journeys[index]
        let isPatient = now < journey.deadline && phase == .safety
        guard isReady(journey), isPatient || journey.phase == .copying else { return beginLeaving(index) }
        switch journey.phase {
        case .asking:
            guard knownMigrations.contains(where: { $0.migration.sni == journey.sni }) else {
                return beginLeaving(index)
            }
            permitted(index)
        case .waiting:
            let info = knownMigrations.first { $0.migration.sni == journey.sni }
            if info?.leaseState == .staged || journeyDice.chance(0.1) { return attach(journey: index) }
            goOn(index, after: journeyDice.time(100, 500) * Time.millisecond)
        case .attaching, .plugging: attach(journey: index)
        default: move(index)
        }
    }

    /// The VM runs at the source, and both machines have power.
    private func isReady(_ journey: Journey) -> Bool {
        let slot = slots[journey.slot]
        return slot.interface == journey.interface && slot.phase == .running && slot.host == journey.source
            && slot.sni == journey.sni && hosts[journey.source].isUp && hosts[journey.destination].isUp
    }

    private mutating func attach(journey index: Int) {
        let journey = journeys[index]
        if journey.phase == .waiting { journeys[index].deadline = now + journeyPatience }
        journeys[index].phase = .attaching
        journeys[index].hasAttached = true
        let request = AttachRequest(
            application: journey.application, interface: journey.interface,
            port: journey.comesLater ? .later : .tap(owner: nil, group: nil))
        call(journey: index, on: journey.destination) { .attach($0, request) }
    }

    private mutating func move(_ index: Int) {
        let journey = journeys[index]
        let link = hosts[journey.destination].kernel.links[journey.sni.rawValue]
        guard link?.interface == journey.interface else { return beginLeaving(index) }
        trace("h\(journey.destination)", "arrives", "\(journey.interface) from h\(journey.source)")
        slots[journey.slot].host = journey.destination
        journeys[index].phase = .moved
        journeys[index].deadline = now + journeyPatience
        goOn(index, after: journeyDice.time(50, 500) * Time.millisecond)
    }

    /// A guest sends all the time; what matters of it is what a closed port hears.
    mutating func travellersSpeak() {
        for index in slots.indices where slots[index].host != slots[index].home && slots[index].phase == .running {
            let slot = slots[index]
            guard let sni = slot.sni, hosts[slot.host].isUp,
                let port = hosts[slot.host].kernel.ports[sni.rawValue], port.standby,
                hosts[slot.host].kernel.links[sni.rawValue]?.interface == slot.interface,
                let agent = hosts[slot.host].agent, agent.pausedUntil <= now
            else { continue }
            checks.heard[slot.host].insert(sni.rawValue)
            trace("h\(slot.host)", "frame", "first of \(slot.interface)")
            feed(.firstFrame(sni), to: slot.host)
        }
    }

    private mutating func settle(_ index: Int) {
        let journey = journeys[index]
        let slot = slots[journey.slot]
        let isThere = slot.interface == journey.interface && slot.host == journey.destination && slot.phase == .running
        guard isThere else { return beginClearing(index) }
        let kernel = hosts[journey.destination].kernel
        if kernel.isActive(journey.sni.rawValue) {
            probes.hit(.migrated)
            return beginClearing(index)
        }
        if kernel.links[journey.sni.rawValue] == nil || now > journey.deadline {
            crashVM(journey.slot)
            return beginClearing(index)
        }
        goOn(index, after: journeyDice.time(50, 500) * Time.millisecond)
    }

    private mutating func beginClearing(_ index: Int) {
        journeys[index].phase = .clearing
        goOn(index, after: journeyDice.time(10, 3000) * Time.millisecond)
    }

    private mutating func clear(_ index: Int) {
        let journey = journeys[index]
        // What a crash right now would leave.
        let durable = hosts[journey.source].journal.durableSequence
        let isLeft = checks.views[journey.source].bindings.values.contains {
            $0.interface == journey.interface && !($0.isCooling && $0.endSequence <= durable)
        }
        guard hosts[journey.source].isUp, isLeft else {
            journeys[index].isOver = true
            return
        }
        journeys[index].rounds += 1
        if journey.callsHook || journey.rounds > 8 || phase != .safety {
            return detach(journey: index, on: journey.source)
        }
        goOn(index, after: journeyDice.time(1000, 3000) * Time.millisecond)
    }

    private mutating func beginLeaving(_ index: Int) {
        let journey = journeys[index]
        if journey.phase != .asking, !hosts[journey.source].isUp { probes.hit(.sourceLostMidway) }
        if journey.phase != .asking, !hosts[journey.destination].isUp { probes.hit(.destinationLostMidway) }
        journeys[index].phase = .leaving
        leave(index)
    }

    private mutating func leave(_ index: Int) {
        let journey = journeys[index]
        // Nothing of it outlives the destination's power.
        if journey.hasAttached, hosts[journey.destination].isUp {
            return detach(journey: index, on: journey.destination)
        }
        end(index)
    }

    private mutating func end(_ index: Int) {
        journeys[index].isOver = true
        guard journeyDice.chance(0.5) else { return }
        command(.abortMigration(journeys[index].interface, reason: "it failed"), .release)
    }

    // MARK: Calls

    private mutating func detach(journey index: Int, on host: Int) {
        let interface = journeys[index].interface
        checks.detachAsked(interface, on: host)
        call(journey: index, on: host) { .detach($0, interface) }
    }

    private mutating func call(journey index: Int, on host: Int, _ input: (AgentCore.RequestID) -> AgentInput) {
        goOn(index, after: plan.clientPatience + journeyDice.time(0, plan.clientPatience))
        guard let agent = hosts[host].agent, agent.pausedUntil <= now else {
            return goOn(index, after: journeyDice.time(100 * Time.millisecond, Time.second))
        }
        let id = agent.lastCall + 1
        hosts[host].agent?.lastCall = id
        hosts[host].agent?.calls[id] = -1 - index
        journeys[index].call = id
        journeys[index].callHost = host
        let request = input(AgentCore.RequestID(id))
        trace("h\(host)", "call", "\(request.summary), migrating")
        feed(request, to: host)
    }

    private mutating func dropCall(_ index: Int) {
        let journey = journeys[index]
        if journey.call != 0 { hosts[journey.callHost].agent?.calls[journey.call] = nil }
        journeys[index].call = 0
    }

    mutating func journeyCallFailed(_ index: Int) {
        journeys[index].call = 0
        goOn(index, after: journeyDice.time(50 * Time.millisecond, Time.second))
    }

    mutating func answer(
        journey index: Int, _ request: AgentCore.RequestID, _ result: Result<AgentReply, AgentError>, on host: Int
    ) {
        let journey = journeys[index]
        guard journey.call == request.rawValue, journey.callHost == host, !journey.isOver else { return }
        journeys[index].call = 0
        switch (journey.phase, result) {
        case (.attaching, .success(.attached(let answer))), (.plugging, .success(.attached(let answer))):
            attached(journey: index, answer)
        case (.attaching, .failure), (.plugging, .failure):
            goOn(index, after: journeyDice.wait(mean: Time.second))
        case (.leaving, .success(.detached)):
            observe(detached: journey.interface, from: journey.sni, on: host)
            end(index)
        case (.clearing, .success(.detached)):
            observe(detached: journey.interface, from: journey.sni, on: host)
            journeys[index].isOver = true
        default: goOn(index, after: journeyDice.wait(mean: Time.second))
        }
    }

    private mutating func attached(journey index: Int, _ answer: AttachAnswer) {
        let journey = journeys[index]
        observe(
            attached: journey.interface, as: answer.sni, comesLater: journey.comesLater,
            plugged: journey.phase == .plugging, on: journey.destination)
        guard answer.sni == journey.sni else {
            // It came before the sub-lease did, and got a place like any new VM: of no use to one that has an address.
            probes.hit(.strangerAtDestination)
            return beginLeaving(index)
        }
        if journey.comesLater, journey.phase == .attaching {
            journeys[index].phase = .plugging
            let request = PlugRequest(interface: journey.interface, port: "tap-j\(index)")
            return call(journey: index, on: journey.destination) { .plug($0, request) }
        }
        journeys[index].phase = .copying
        goOn(index, after: journeyDice.wait(mean: plan.lives.copyMean))
    }
}

extension Array {
    fileprivate func randomElement(_ dice: inout Dice) -> Element? { isEmpty ? nil : self[dice.below(count)] }
}
