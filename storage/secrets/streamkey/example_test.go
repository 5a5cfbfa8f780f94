package streamkey_test

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/lumelle/adminkit/storage/secrets/streamkey"
)

// Any HPKE implementation is the other half. Here it is that of the standard library.
func ExamplePublicKey_Seal() {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	published, err := json.Marshal(streamkey.New("1a2b3c4d", private.PublicKey().Bytes(), "acme", "audit.stream/s1/4"))
	if err != nil {
		fmt.Println(err)
		return
	}

	var key streamkey.PublicKey
	if err := json.Unmarshal(published, &key); err != nil {
		fmt.Println(err)
		return
	}
	text, err := key.Seal([]byte("hec-token"))
	if err != nil {
		fmt.Println(err)
		return
	}

	id, sealed, err := streamkey.Split(text)
	fmt.Println(id, err)
	opener, err := hpke.NewDHKEMPrivateKey(private)
	if err != nil {
		fmt.Println(err)
		return
	}
	secret, err := hpke.Open(opener, hpke.HKDFSHA256(), hpke.AES256GCM(), streamkey.Info(id, "acme", "audit.stream/s1/4"), sealed)
	fmt.Printf("%s %v\n", secret, err)
	// Output:
	// 1a2b3c4d <nil>
	// hec-token <nil>
}
