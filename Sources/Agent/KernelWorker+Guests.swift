import Dataplane
import FleetProtocol
import Logging
import Netlink
import NetworkTypes

/// Whether VMs are told their addresses.
enum GuestAddressing: Hashable, Sendable {
    case off
    /// With these name servers.
    case responder(dns: [IPAddress])
}

extension KernelWorker {
    func configuration(_ grant: BootGrant) -> DataplaneConfiguration {
        DataplaneConfiguration(
            plan: grant.overlay, vtep: vtep, mtu: grant.overlayMTU, vxlanPort: grant.vxlanPort,
            answersGuests: addressing != .off)
    }

    /// Opens the ear for what VMs ask; where that fails, the next audit tries again.
    func answerGuests(_ configuration: DataplaneConfiguration) {
        guard responder == nil, case .responder(let dns) = addressing else { return }
        do throws(NetlinkError) {
            responder = try GuestResponder(
                configuration: configuration, dns: dns, ports: ports, in: namespace.overlay)
            responderProblem = nil
        } catch {
            let problem = "VMs are not told their addresses: \(error)"
            if responderProblem != problem { logger.error("\(problem)") }
            responderProblem = problem
        }
    }
}
