/* Saves what libmms reads from a URL. */
#include <stdio.h>
#include <libmms/mmsx.h>

int main(int argc, char **argv)
{
    static char bytes[65536];
    int count;
    FILE *file;
    mmsx_t *session = argc == 3 ? mmsx_connect(NULL, NULL, argv[1], 1000000000) : NULL;

    if (!session || !(file = fopen(argv[2], "wb")))
        return 1;
    while ((count = mmsx_read(NULL, session, bytes, sizeof bytes)) > 0)
        fwrite(bytes, 1, count, file);
    fclose(file);
    mmsx_close(session);
    return 0;
}
