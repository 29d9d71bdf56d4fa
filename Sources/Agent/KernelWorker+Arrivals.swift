import AgentCore
import Dataplane
import Logging
import Netlink
import NetworkTypes

/// The guest behind a port on standby, until it speaks.
///
/// Its first frame is the moment in which its migration is done, so none may be missed, and the time until it is noticed
/// is time without network for the guest. What decides is the device's own counter of received frames: it counts in the
/// driver, before any filter, whether an agent runs or not, and costs the guest's packets nothing. Read alone it would
/// have to be read many times a second for as long as memory is copied, so a bell (``Netlink/FrameBell``) says when to
/// look: the counter is read when the bell is hung up, at every reconciliation, and never between.
///
/// Counted from 0, not from a first reading: a guest may have spoken before its port was handed over, or while the agent
/// was down, and then not again for long. A device that carried frames of somebody else before it became an arriving VM's
/// port would be taken for the VM itself; hypervisors make a tap per start.
///
/// The guest cannot do harm with it: whatever it sends on standby is dropped at the port, the first frame ends the bell,
/// and a guest that stays silent is only not reached, here or at its source, until it speaks.
struct Arrival {
    var index: Int
    /// Nil when it has rung, or could not be hung up.
    var bell: FrameBell?
}

extension KernelWorker {
    /// - Parameter recheck: read the counters of all ports on standby, also of those with a bell.
    func followArrivals(recheck: Bool = false) {
        guard let kernel, let expected = state?.model.standbyPorts, !expected.isEmpty || !arrivals.isEmpty else {
            return
        }
        for (sni, arrival) in arrivals where !expected.contains(sni) || ports[sni]?.index != arrival.index {
            arrivals[sni] = nil
        }
        for sni in expected {
            guard let index = ports[sni]?.index else { continue }
            let isNew = arrivals[sni] == nil
            if isNew { arrivals[sni] = Arrival(index: index, bell: hangBell(for: sni, index: index)) }
            guard isNew || recheck else { continue }
            do throws(NetlinkError) {
                guard let counters = try kernel.route.counters(index: index), counters.receivedPackets > 0 else {
                    continue
                }
                arrivals[sni]?.bell = nil
                outcomes.put(.firstFrame(sni))
            } catch {
                logger.warning(
                    "a port on standby could not be read", metadata: ["port": "\(sni)", "reason": "\(error)"])
            }
        }
    }

    private func hangBell(for sni: SessionNetworkID, index: Int) -> FrameBell? {
        let outcomes = outcomes
        do throws(NetlinkError) {
            return try FrameBell(index: index, in: namespace.overlay) { outcomes.put(.firstFrame(sni)) }
        } catch {
            logger.error(
                "an arriving VM is noticed at reconciliations only", metadata: ["port": "\(sni)", "reason": "\(error)"])
            return nil
        }
    }
}
