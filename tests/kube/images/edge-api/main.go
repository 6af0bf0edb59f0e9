// edge-api: what an API server asks of pods, and what pods ask of an API server.
//
//	edge-api serve         an admission webhook and an aggregated API, with TLS at :8443, certificate and key from /tls/tls.{crt,key}
//	edge-api ask PATH      a GET as the pod's service account, at the Service `kubernetes`; prints the answer as it comes
//
// The webhook refuses objects with the label refuse=yes. The API is edge.fairlead.test/v1; its `where` tells the host's name.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
)

const (
	groupVersion = "edge.fairlead.test/v1"
	account      = "/var/run/secrets/kubernetes.io/serviceaccount/"
)

type object = map[string]any

func answer(w http.ResponseWriter, value object) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value)
}

type review struct {
	APIVersion string `json:"apiVersion"`
	Request    struct {
		UID    string `json:"uid"`
		Object struct {
			Metadata struct {
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
		} `json:"object"`
	} `json:"request"`
}

func admit(w http.ResponseWriter, r *http.Request) {
	var asked review
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	host, _ := os.Hostname()
	refused := asked.Request.Object.Metadata.Labels["refuse"] == "yes"
	response := object{"uid": asked.Request.UID, "allowed": !refused}
	if refused {
		response["status"] = object{"message": "refused by " + host}
	}
	answer(w, object{"apiVersion": asked.APIVersion, "kind": "AdmissionReview", "response": response})
}

func discover(w http.ResponseWriter, r *http.Request) {
	answer(w, object{"apiVersion": "v1", "kind": "APIResourceList", "groupVersion": groupVersion, "resources": []object{
		{"name": "where", "singularName": "where", "namespaced": false, "kind": "Where", "verbs": []string{"get"}}}})
}

func where(w http.ResponseWriter, r *http.Request) {
	host, _ := os.Hostname()
	answer(w, object{"apiVersion": groupVersion, "kind": "Where", "metadata": object{"name": "where"}, "host": host})
}

func serve() error {
	http.HandleFunc("/admit", admit)
	http.HandleFunc("/apis/"+groupVersion, discover)
	http.HandleFunc("/apis/"+groupVersion+"/where", where)
	return http.ListenAndServeTLS(":8443", "/tls/tls.crt", "/tls/tls.key", nil)
}

func ask(path string) error {
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	at := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	request, err := http.NewRequest("GET", "https://"+at+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

func main() {
	err := fmt.Errorf("usage: edge-api serve | ask PATH")
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		err = serve()
	case len(os.Args) == 3 && os.Args[1] == "ask":
		err = ask(os.Args[2])
	}
	if err != nil {
		log.Fatal(err)
	}
}
