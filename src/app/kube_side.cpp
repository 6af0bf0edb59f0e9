#include "app/kube_side.h"

#include "app/host.h"
#include "app/rules.h"
#include "base/log.h"
#include "pki/files.h"

namespace fairlead::app {
namespace {

constexpr std::size_t kMaxKeyFile = 64_KiB;  // RSA of 16384 bits has 13 KiB of PEM
constexpr std::size_t kMaxChainFile = 256_KiB;
constexpr std::size_t kMaxPortsFile = 20_MiB;  // 65,535 names of the greatest length

std::vector<std::filesystem::path> files_of(const std::filesystem::path& dir, const CloudKubeConfig::Connect& connect) {
  return {dir / connect.certificate, dir / connect.key, dir / connect.client_ca};
}

}  // namespace

Result<std::shared_ptr<const KubeRules>> KubeSide::begin(const CloudKubeConfig& config, const std::set<NodeName>& edges) {
  if (config.connect.listen) {
    TRY_ASSIGN(tls_, load_tls(config.connect));
    tls_files_.emplace(files_of(dir_, config.connect));
  }
  if (config.mode == CloudKubeConfig::KubeletMode::node_address) {
    std::string text;
    if (std::filesystem::exists(dir_ / kKubeletPorts)) {
      TRY_ASSIGN(text, pki::read_file(dir_ / kKubeletPorts, kMaxPortsFile));
    }
    plan_ = kube_plugin::PortPlan::parse(text, config.kubelet_ports);
    give_ports(config, edges);
  }
  if (!config.connect.socket.empty()) connect_at_.push_back((dir_ / config.connect.socket).string());
  if (config.connect.listen) connect_at_.push_back(config.connect.listen->to_text());
  return make(config);
}

std::shared_ptr<const KubeRules> KubeSide::look(const CloudKubeConfig& config, const std::set<NodeName>& edges, bool again) {
  bool changed = ++looks_ % Rules::kRetryLooks == 0 && retry_.exchange(false);
  changed = changed || again;
  if (tls_files_ && tls_files_->changed()) {
    auto tls = load_tls(config.connect);
    if (tls) {
      tls_ = *std::move(tls);
      changed = true;
      log::info("kube", "took up changed certificates of kube.connect");
    } else {
      log::error("kube", "the certificates of kube.connect are not changed, since the new ones are wrong: {}", tls.error());
    }
  }
  if (plan_ && give_ports(config, edges)) changed = true;
  return changed ? make(config) : nullptr;
}

bool KubeSide::give_ports(const CloudKubeConfig& config, const std::set<NodeName>& edges) {
  bool changed = false;
  std::set<NodeName> left_out = plan_->assign(edges, changed);
  for (const NodeName& node : left_out)
    if (!without_port_.contains(node))
      log::error("kube", "no port is left for the kubelet of {}: kube.kubelet.ports has {} to {}", node, config.kubelet_ports.first,
                 config.kubelet_ports.last);
  without_port_ = std::move(left_out);
  if (changed)
    if (auto written = pki::write_file(dir_ / kKubeletPorts, plan_->to_text(), 0644); !written)
      log::error("kube", "the ports of kubelets are not kept over a restart: {}", written.error());
  std::lock_guard lock(mutex_);
  ports_ = plan_->ports();
  return changed;
}

std::map<NodeName, std::uint16_t> KubeSide::kubelet_ports() const {
  std::lock_guard lock(mutex_);
  return ports_;
}

std::shared_ptr<const KubeRules> KubeSide::make(const CloudKubeConfig& config) const {
  auto rules = std::make_shared<KubeRules>();
  rules->api_servers = config.api_servers;
  rules->tls = tls_;
  rules->connect_at = connect_at_;
  if (config.connect.direct) {
    route::EgressSelf self{.addresses = own_addresses()};
    if (config.connect.listen) self.fairlead_ports.push_back(config.connect.listen->port);
    rules->direct = std::make_shared<const route::EgressPolicy>(config.connect.direct, std::move(self));
  }
  if (plan_)
    for (const auto& [node, port] : plan_->ports())
      rules->doors.push_back({{config.kubelet_listen, port}, link::Destination::to(node), kube_plugin::kKubelet});
  return rules;
}

Result<std::shared_ptr<const net::TlsServer>> KubeSide::load_tls(const CloudKubeConfig::Connect& connect) const {
  net::TlsServerOptions options;
  options.client_auth = net::TlsServerOptions::ClientAuth::required;
  options.client_ca_file = dir_ / connect.client_ca;
  net::TlsCertificate certificate;
  certificate.chain_file = dir_ / connect.certificate;
  certificate.key_file = dir_ / connect.key;
  TRY_ASSIGN(options.client_ca_pem, pki::read_file(options.client_ca_file, kMaxChainFile));
  TRY_ASSIGN(certificate.chain_pem, pki::read_file(certificate.chain_file, kMaxChainFile));
  TRY_ASSIGN(certificate.key_pem, pki::read_file(certificate.key_file, kMaxKeyFile));
  options.certificates.push_back(std::move(certificate));
  return net::TlsServer::make(std::move(options));
}

}  // namespace fairlead::app
