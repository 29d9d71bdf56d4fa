import ArgumentParser

struct VirtualMachineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vm", abstract: "VM interfaces: the fleet's list, and launches on this host.",
        subcommands: [
            VirtualMachineList.self, VirtualMachineAttach.self, VirtualMachinePlug.self, VirtualMachineDetach.self,
        ])
}
