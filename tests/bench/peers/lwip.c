/* echo (7), discard (9) and chargen (19) over TCP and echo over UDP, on lwIP as Debian packages it: its sockets, a thread
 * a connection, the TAP driver of its own Unix port. What tests/bench/peers measures beside ours.
 *
 *   cc -O2 -o lwip lwip.c -I/usr/include/lwip -llwip -lpthread
 *   PRECONFIGURED_TAPIF=tap0 ./lwip 192.168.5.100 255.255.255.0
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include <lwip/api.h>
#include <lwip/netif.h>
#include <lwip/sockets.h>
#include <lwip/tcpip.h>
#include <netif/tapif.h>

enum { ECHO = 7, DISCARD = 9, CHARGEN = 19, BLOCK = 1 << 18 };

static struct netif interface;
static char characters[BLOCK];

struct client {
    int connection, port;
};

static int send_all(int connection, const char *data, int length)
{
    while (length > 0) {
        int sent = lwip_send(connection, data, length, 0);
        if (sent <= 0)
            return 0;
        data += sent;
        length -= sent;
    }
    return 1;
}

static void *serve(void *argument)
{
    struct client client = *(struct client *)argument;
    char *buffer = malloc(BLOCK);
    int got;

    free(argument);
    if (client.port == CHARGEN)
        while (send_all(client.connection, characters, BLOCK))
            ;
    else
        while ((got = lwip_recv(client.connection, buffer, BLOCK, 0)) > 0)
            if (client.port == ECHO && !send_all(client.connection, buffer, got))
                break;
    lwip_close(client.connection);
    free(buffer);
    return NULL;
}

static int bound(int type, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int made = lwip_socket(AF_INET, type, 0);

    if (made < 0 || lwip_bind(made, (struct sockaddr *)&address, sizeof address) != 0) {
        fprintf(stderr, "port %d: cannot be bound\n", port);
        exit(1);
    }
    return made;
}

static void *listen_at(void *argument)
{
    int port = (int)(long)argument, listener = bound(SOCK_STREAM, port);
    pthread_t thread;

    lwip_listen(listener, 128);
    for (;;) {
        struct client *client = malloc(sizeof *client);
        client->port = port;
        client->connection = lwip_accept(listener, NULL, NULL);
        if (client->connection < 0 || pthread_create(&thread, NULL, serve, client) != 0)
            free(client);
        else
            pthread_detach(thread);
    }
    return NULL;
}

static void *echo_datagrams(void *unused)
{
    int receiver = bound(SOCK_DGRAM, ECHO);
    struct sockaddr_in source;
    socklen_t length;
    char buffer[65536];
    int got;

    (void)unused;
    for (;;) {
        length = sizeof source;
        got = lwip_recvfrom(receiver, buffer, sizeof buffer, 0, (struct sockaddr *)&source, &length);
        if (got >= 0)
            lwip_sendto(receiver, buffer, got, 0, (struct sockaddr *)&source, length);
    }
    return NULL;
}

static void begin(void *argument)
{
    char **argv = argument;
    ip4_addr_t address, mask, gateway;

    ip4addr_aton(argv[1], &address);
    ip4addr_aton(argv[2], &mask);
    ip4_addr_set_zero(&gateway);
    if (!netif_add(&interface, &address, &mask, &gateway, NULL, tapif_init, tcpip_input))
        exit(1);
    netif_set_default(&interface);
    netif_set_link_up(&interface);
    netif_set_up(&interface);
}

int main(int argc, char **argv)
{
    const int ports[] = {ECHO, DISCARD, CHARGEN};
    pthread_t thread;

    if (argc != 3) {
        fprintf(stderr, "usage: lwip ADDRESS MASK (and the device in PRECONFIGURED_TAPIF)\n");
        return 2;
    }
    for (int at = 0; at < BLOCK; at++)
        characters[at] = 32 + at % 95;
    tcpip_init(begin, argv);
    sleep(1); /* begin() runs in lwIP's own thread */
    for (int at = 0; at < 3; at++)
        pthread_create(&thread, NULL, listen_at, (void *)(long)ports[at]);
    pthread_create(&thread, NULL, echo_datagrams, NULL);
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
