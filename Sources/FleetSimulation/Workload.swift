import AgentCore
import Dataplane
import FleetProtocol
import NetworkTypes

/// Room for one VM on a host, and the client that launches and stops one after another in it.
///
/// | phase | event | next |
/// |---|---|---|
/// | idle | time | attaching |
/// | attaching | answer | running, or plugging for a port that comes later |
/// | attaching | refusal | idle, or attaching again |
/// | attaching | no answer in time, agent died | attaching again with the same request, or detaching |
/// | plugging | answer | running |
/// | running | end of life | detaching, or holding |
/// | holding | answer | stopped |
/// | stopped | time | attaching, holding for longer, detaching, or idle with the hold running out |
/// | running | migrated | running, at another host |
/// | running | crash | crashed |
/// | crashed | time | detaching |
/// | detaching | answer | idle |
/// | any but stopped | host reboots | idle |
struct Slot {
    enum Phase { case idle, attaching, plugging, running, crashed, detaching, holding, stopped }
    /// Where the VM is: where its slot is, unless it migrated.
    var host: Int
    let home: Int
    var number: Int
    var phase = Phase.idle
    /// Only the newest event of a slot counts.
    var ticket: UInt32 = 0
    /// Rises with every VM that had this slot.
    var generation = 0
    var interface: VMInterface
    var application = 0
    var comesLater = false
    /// Call under way; 0 without one.
    var call: UInt64 = 0
    /// What the answer said.
    var sni: SessionNetworkID?
    var attempts = 0
    /// How long the identifier is to be kept.
    var hold = Duration.zero
    /// The last VM ended away from home: what is left of it may still be there, so the next one has another name.
    var wasAway = false
}

extension World {
    mutating func addSlots(on host: Int) {
        for number in 0..<plan.slotsPerHost {
            guard let interface = VMInterface(vm: "vm-\(host)-\(number)-0", nic: 0) else { continue }
            slots.append(Slot(host: host, home: host, number: number, interface: interface))
            schedule(slots.count - 1, after: clientDice.time(Time.second, 4 * Time.second))
        }
    }

    mutating func schedule(_ slot: Int, after wait: Int64) {
        slots[slot].ticket &+= 1
        queue.put(.client, slot, ticket: slots[slot].ticket, at: now + wait)
    }

    mutating func clientActs(_ slot: Int, ticket: UInt32) {
        guard slots[slot].ticket == ticket, hosts[slots[slot].host].isUp else { return }
        switch slots[slot].phase {
        case .idle:
            guard phase == .safety else { return }
            launch(slot)
        case .attaching where slots[slot].call == 0: attach(slot)
        case .attaching, .plugging:
            // No answer in time: the caller gives up its call; only a Detach makes sure.
            forget(slot)
            if clientDice.chance(0.5), phase == .safety { attach(slot) } else { detach(slot) }
        case .running:
            if phase != .liveness { stop(slot) }
        case .crashed: stop(slot)
        case .stopped: decideOnStopped(slot)
        case .holding:
            forget(slot)
            keep(slot)
        case .detaching:
            forget(slot)
            detach(slot)
        }
    }

    mutating func forget(_ slot: Int) {
        if slots[slot].call != 0 { hosts[slots[slot].host].agent?.calls[slots[slot].call] = nil }
        slots[slot].call = 0
    }

    private mutating func launch(_ slot: Int) {
        let host = slots[slot].host
        // Now and then the same VM starts again: its interface may still be on its way out.
        if !clientDice.chance(0.2) || slots[slot].wasAway || isTravelling(slot) {
            slots[slot].wasAway = false
            slots[slot].generation += 1
            let name = "vm-\(host)-\(slots[slot].number)-\(slots[slot].generation)"
            if let interface = VMInterface(vm: name, nic: 0) { slots[slot].interface = interface }
            slots[slot].application = clientDice.below(applications.count)
            slots[slot].comesLater = clientDice.chance(0.2)
        }
        slots[slot].attempts = 0
        attach(slot)
    }

    mutating func attach(_ slot: Int) {
        slots[slot].phase = .attaching
        slots[slot].attempts += 1
        if slots[slot].attempts > 1 { probes.hit(.attachRepeated) }
        if checks.acknowledged[slots[slot].host][slots[slot].interface] == nil,
            hosts[slots[slot].host].kernel.links.values.contains(where: { $0.interface == slots[slot].interface })
        {
            probes.hit(.followerAfterRelease)
        }
        let application = applications[slots[slot].application].id
        let request = AttachRequest(
            application: application, interface: slots[slot].interface,
            port: slots[slot].comesLater ? .later : .tap(owner: nil, group: nil))
        call(slot) { .attach($0, request) }
    }

    private mutating func plug(_ slot: Int) {
        slots[slot].phase = .plugging
        let request = PlugRequest(interface: slots[slot].interface, port: "tap\(slot)")
        call(slot) { .plug($0, request) }
    }

    mutating func detach(_ slot: Int) {
        if slots[slot].phase == .attaching { probes.hit(.detachDuringLaunch) }
        slots[slot].phase = .detaching
        let interface = slots[slot].interface
        checks.detachAsked(interface, on: slots[slot].host)
        call(slot) { .detach($0, interface) }
    }

    mutating func call(_ slot: Int, _ input: (RequestID) -> AgentInput) {
        let host = slots[slot].host
        guard let agent = hosts[host].agent, agent.pausedUntil <= now else {
            // Nobody listens on the socket.
            slots[slot].call = 0
            return schedule(slot, after: clientDice.time(100 * Time.millisecond, Time.second))
        }
        let id = agent.lastCall + 1
        hosts[host].agent?.lastCall = id
        hosts[host].agent?.calls[id] = slot
        slots[slot].call = id
        schedule(slot, after: plan.clientPatience + clientDice.time(0, plan.clientPatience))
        let request = input(RequestID(id))
        trace("h\(host)", "call", "\(request.summary)")
        feed(request, to: host)
    }

    /// The agent died with the call.
    mutating func callFailed(_ slot: Int) {
        guard slot >= 0 else { return journeyCallFailed(-1 - slot) }
        slots[slot].call = 0
        schedule(slot, after: clientDice.time(50 * Time.millisecond, Time.second))
    }

    mutating func answer(_ request: RequestID, _ result: Result<AgentReply, AgentError>, on host: Int) {
        trace("h\(host)", "reply", result.summary)
        guard let slot = hosts[host].agent?.calls.removeValue(forKey: request.rawValue) else { return }
        guard slot >= 0 else { return answer(journey: -1 - slot, request, result, on: host) }
        guard slots[slot].call == request.rawValue else { return }
        slots[slot].call = 0
        switch result {
        case .success(.attached(let answer)): attached(slot, answer)
        case .success(.detached) where slots[slot].phase == .holding: kept(slot)
        case .success(.detached):
            observe(detached: slots[slot].interface, from: slots[slot].sni, on: host)
            vacate(slot)
            schedule(slot, after: clientDice.wait(mean: plan.pauseMean))
        case .success(.status): break
        case .failure(let error): refused(slot, error)
        }
    }

    private mutating func attached(_ slot: Int, _ answer: AttachAnswer) {
        observe(
            attached: slots[slot].interface, as: answer.sni, comesLater: slots[slot].comesLater,
            plugged: slots[slot].phase == .plugging, on: slots[slot].host)
        slots[slot].sni = answer.sni
        if slots[slot].comesLater, slots[slot].phase == .attaching {
            plug(slot)
        } else {
            if slots[slot].comesLater { probes.hit(.portPlugged) }
            slots[slot].phase = .running
            schedule(slot, after: clientDice.wait(mean: plan.lifeMean))
        }
    }

    private mutating func refused(_ slot: Int, _ error: AgentError) {
        switch error {
        case .timedOut: probes.hit(.launchTimedOut)
        case .noIdentifiers, .unknownApplication, .applicationDeleting: probes.hit(.launchRefused)
        case .bindingsSuspended: probes.hit(.bindingsSuspended)
        case .duplicateInterface: slots[slot].phase = .crashed
        default: break
        }
        switch slots[slot].phase {
        case .attaching where slots[slot].attempts < 3 && phase == .safety && clientDice.chance(0.5):
            schedule(slot, after: clientDice.wait(mean: Time.second))
        case .attaching, .plugging, .crashed:
            slots[slot].phase = .crashed
            schedule(slot, after: clientDice.wait(mean: Time.second))
        default: schedule(slot, after: clientDice.wait(mean: Time.second))
        }
    }

    // MARK: What befalls VMs

    mutating func crashVM(_ slot: Int) {
        guard slots[slot].phase == .running else { return }
        probes.hit(.virtualMachineCrashed)
        slots[slot].phase = .crashed
        schedule(slot, after: clientDice.time(Time.second, 5 * Time.second))
    }

    mutating func hostGone(_ host: Int) {
        for slot in slots.indices where slots[slot].host == host && slots[slot].phase != .stopped {
            slots[slot].call = 0
            let isAway = slots[slot].home != host
            vacate(slot)
            if isAway { schedule(slot, after: journeyDice.time(Time.second, 4 * Time.second)) }
        }
    }

    /// Nothing of its VM is left; the next one starts at home.
    mutating func vacate(_ slot: Int) {
        slots[slot].phase = .idle
        slots[slot].sni = nil
        slots[slot].wasAway = slots[slot].host != slots[slot].home
        slots[slot].host = slots[slot].home
    }

    mutating func hostBack(_ host: Int) {
        for slot in slots.indices where slots[slot].host == host {
            schedule(slot, after: clientDice.time(Time.second, 4 * Time.second))
        }
    }

    /// In the last phase everything that runs is stopped, by and by.
    mutating func stopEverything() {
        for slot in slots.indices where slots[slot].phase != .idle || slots[slot].sni != nil {
            schedule(slot, after: clientDice.time(0, 2 * Time.second))
        }
    }

    // MARK: Packets

    /// A VM somewhere sends to an identifier that somebody has.
    mutating func sendPacket() {
        if phase == .safety || phase == .liveness {
            queue.put(.packet, 0, at: now + clientDice.wait(mean: plan.packetMean))
            travellersSpeak()
        }
        guard let source = checks.randomPort(&clientDice), let target = checks.randomPort(&clientDice) else { return }
        let delivery = deliver(from: source.host, source.sni, to: target.sni)
        switch delivery {
        case .delivered(let host, let port):
            probes.hit(.packetDelivered)
            let route = hosts[source.host].kernel.route(to: target.sni)
            if host != source.host, let route, !hosts[host].addresses.contains(route.vtep) {
                probes.hit(.packetForwarded)
            }
            guard let sender = hosts[source.host].kernel.ports[source.sni] else { return }
            checkCrossing(sender, of: source.host, port, of: host)
        case .refusedBySender: probes.hit(.packetRefusedByFilter)
        case .refusedByReceiver: probes.hit(.packetRefusedByReceiver)
        case .noRoute, .lost: break
        }
    }
}
