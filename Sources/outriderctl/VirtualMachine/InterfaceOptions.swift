import ArgumentParser
import DaemonSupport
import LocalAPI
import NetworkTypes

/// Which interface of which VM.
struct InterfaceOptions: ParsableArguments {
    @Option(help: "Identity of the VM: 1 ... 128 printable characters, such as libvirt's UUID.") var vm: String
    @Option(help: "Number of the interface inside the VM.") var nic: Int = 0

    func validate() throws {
        guard VMInterface(vm: vm, nic: nic) != nil else {
            throw ValidationError(
                "--vm takes 1 ... 128 printable characters without spaces, --nic 0 ... 255; got '\(vm)' and \(nic)")
        }
    }

    func interface() throws(ControlFailure) -> VMInterface {
        guard let interface = VMInterface(vm: vm, nic: nic) else {
            throw ControlFailure(.usage, "'\(vm)' and \(nic) name no interface")
        }
        return interface
    }
}

extension Output {
    /// What the VM needs to address itself.
    func show(_ attachment: Attachment) throws(ControlFailure) {
        try show(json: attachment.json.description) {
            var facts = Facts()
            facts.add("sni", "\(attachment.sni)")
            facts.add("ipv4", "\(attachment.ipv4)/32")
            facts.add("ipv6", "\(attachment.ipv6)/128")
            facts.add("gateways", "\(attachment.gateway4) \(attachment.gateway6)")
            facts.add("mtu", attachment.mtu)
            facts.add("mac", "\(attachment.mac)")
            facts.add("port", attachment.port)
            facts.add("class", attachment.priority)
            facts.add("served from", attachment.servedFrom)
            return facts.lines
        }
    }
}
